//! Commands: one file each, its arguments beside what it does.

pub mod check;
pub mod completions;
pub mod exec;
pub mod export;
pub mod health;
pub mod install;
mod oneshot;
pub mod process;
pub mod run;
pub mod status;
pub mod trust_policy;

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use tracing_subscriber::filter::LevelFilter;

use crate::{
    cli::{Cli, Command, IdentityArgs},
    config::{self, Identity, Mistakes, env::Environment},
    provider::{BaseFault, ProviderError},
    shutdown,
    sts::error::Remedy,
    telemetry::{self, LogFormat},
};

/// Why a command failed: its exit code, and one line that says what, where, and what to do.
#[derive(Debug)]
pub struct Failed {
    code: Exit,
    line: String,
}

/// The exit codes but for 0; README.md lists them for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything else; of `health`: not ready.
    Other = 1,
    /// Usage or configuration.
    Usage = 2,
    /// The token: missing, unreadable, malformed, expired.
    Token = 3,
    /// STS, or another base of the chain, refused.
    Refused = 4,
    /// STS, or another base of the chain, not reached or not answering in time.
    Unavailable = 5,
    /// A sink could not be written or bound.
    Sink = 6,
    /// Of `exec`: the program cannot be run.
    CommandNotExecutable = 126,
    /// Of `exec`: there is no such program.
    CommandNotFound = 127,
}

impl Failed {
    /// A failure with this code and this line.
    pub fn new(code: Exit, line: impl fmt::Display) -> Self {
        // One line, whatever it was made of.
        Self { code, line: line.to_string().replace(['\n', '\r'], " ") }
    }
}

impl From<Mistakes> for Failed {
    fn from(mistakes: Mistakes) -> Self {
        Self::new(Exit::Usage, mistakes)
    }
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self::new(Exit::of(&error), error)
    }
}

impl Exit {
    fn of(error: &ProviderError) -> Self {
        match error {
            ProviderError::Token(_) => Self::Token,
            ProviderError::Refused { remedy: Remedy::ReadTokenAgain, .. } => Self::Token,
            ProviderError::Refused { .. } => Self::Refused,
            ProviderError::Unavailable { .. } => Self::Unavailable,
            ProviderError::Base { error, .. } => match error.fault {
                BaseFault::Configuration => Self::Usage,
                BaseFault::Token => Self::Token,
                BaseFault::Refused => Self::Refused,
                BaseFault::Unavailable => Self::Unavailable,
            },
        }
    }
}

/// Runs the command and reports its failure.
pub async fn execute(cli: Cli, env: &dyn Environment) -> ExitCode {
    // A one-shot's stderr is its caller's, and SDKs show all of their credential process's: it says only why it failed.
    let least = if matches!(cli.command, Command::Run(_)) { LevelFilter::INFO } else { LevelFilter::ERROR };
    let (format, done) = match telemetry::start(&cli.log, least, env) {
        Ok(format) => (format, dispatch(cli.command, env).await),
        Err(mistakes) => (LogFormat::Text, Err(mistakes.into())),
    };
    match done {
        Ok(code) => code,
        Err(failed) => {
            report(&failed, format);
            ExitCode::from(failed.code as u8)
        }
    }
}

async fn dispatch(command: Command, env: &dyn Environment) -> Result<ExitCode, Failed> {
    // `run` ends in its own time, and `exec` with its program.
    if !matches!(&command, Command::Run(args) if !args.once) && !matches!(&command, Command::Exec(_)) {
        shutdown::exit_on_signals();
    }
    let unreadable = env.unreadable();
    if !unreadable.is_empty() {
        return Err(Mistakes::one(format!("{} must be UTF-8 text", unreadable.join(" and "))).into());
    }
    let done = match command {
        Command::Exec(args) => return exec::run(&args, env).await,
        Command::Run(args) => run::run(&args, env).await,
        Command::Export(args) => export::run(&args, env).await,
        Command::Process(args) => process::run(&args, env).await,
        Command::Check(args) => check::run(&args, env).await,
        Command::TrustPolicy(args) => trust_policy::run(&args, env),
        Command::Health(args) => health::run(&args, env).await,
        Command::Status(args) => status::run(&args, env).await,
        Command::Install(args) => install::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// What is vended; what in its configuration a person should know of is logged, at a level that one-shots do not show unasked.
fn read_identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, Failed> {
    let identity = config::identity(args, env)?;
    for warning in &identity.warnings {
        tracing::warn!("{warning}");
    }
    Ok(identity)
}

/// The last line on stderr, at whatever level is logged. Where nobody can read it, the exit code still says what it says.
fn report(failed: &Failed, format: LogFormat) {
    let _ = match format {
        LogFormat::Text => writeln!(io::stderr(), "credvend: {}", failed.line),
        LogFormat::Json => writeln!(
            io::stderr(),
            "{}",
            serde_json::json!({ "level": "ERROR", "message": failed.line, "exit_code": failed.code as u8 })
        ),
    };
}
