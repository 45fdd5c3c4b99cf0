//! Commands: one file each, its arguments beside what it does.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod install;
mod oneshot;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod trust_policy;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    app::SetupError,
    chain::error::{BaseFault, ProviderError},
    cli::{IdentityArgs, LogArgs},
    config::{self, Identity},
    observe::telemetry::{self, LogFormat},
    process::{hardening, shutdown},
    settings::{
        environment::{Environment, ProcessEnvironment},
        errors::ConfigErrors,
    },
    sink::SinkError,
    sts::recovery::Recovery,
};

/// Exchanges a Kubernetes service account token for AWS credentials, chains roles, keeps the result fresh and vends it.
#[derive(Debug, Parser)]
#[command(name = "credvend", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_long_help = "Examples:
  # Run a program with credentials of the role that the pod's service account is annotated with
  credvend exec -- ./server

  # Serve them to the other containers of a pod
  credvend run

  # Print them once
  credvend export

Each command's --help has more. Exit codes: 0 done, 2 usage or configuration, 3 the token, 4 STS refused, 5 STS not
reached, 6 a sink could not be written or bound, 1 anything else.")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Where log lines go and how they look.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep credentials fresh in every sink until SIGTERM; with --once, fill the file sinks and exit
    ///
    /// The sinks are the container credentials endpoint that AWS SDKs ask (--listen), and a shared credentials file
    /// (--credentials-file). With the variables that the EKS pod identity webhook sets, no flag is needed.
    Run(Box<run::Args>),
    /// Print one profile's credentials, or write them to a file, once
    ///
    /// What is printed does not stay fresh: for longer work use `credvend exec` or `credvend run`.
    Export(Box<export::Args>),
    /// Print the credential_process JSON, for an AWS config file
    ///
    /// SDKs run the line of their profile's credential_process when they need credentials, and again before those expire.
    /// With --from-endpoint the credentials are those of a running `credvend run`.
    Process(Box<process::Args>),
    /// Run a program beside a private endpoint, with the environment that points AWS SDKs at it
    ///
    /// The first exchange is made before CMD starts; from then on credvend keeps the credentials fresh, passes signals on, and
    /// exits as CMD exits. From CMD's environment it removes keys, web identity and profile, which SDKs would prefer; a shared
    /// file whose default profile holds credentials is hidden from it. Of several profiles the first is CMD's default.
    Exec(Box<exec::Args>),
    /// Examine token, configuration, STS and each hop, and say what is wrong and how to mend it
    Check(Box<check::Args>),
    /// Print the IAM policies that this token and chain need
    TrustPolicy(Box<trust_policy::Args>),
    /// Ask a running `credvend run` whether it is ready: exit 0 or 1
    ///
    /// Ready is who holds valid credentials for every profile. It is found by the same flags and variables as `run`'s.
    Health(health::Args),
    /// Show what a running `credvend run` holds: roles, expiries, the last errors; never a secret
    Status(status::Args),
    /// Copy this binary into a directory, for containers that share it
    ///
    /// The copy is static and needs nothing else. It replaces an older one at once, even while that is running.
    Install(install::Args),
    /// Print what makes a shell complete commands and flags
    Completions(completions::Args),
}

/// Why a command failed: its exit code, and one line that says what, where, and what to do.
#[derive(Debug)]
pub(crate) struct CommandError {
    code: Exit,
    line: String,
}

/// The exit codes but for 0; README.md lists them for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
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

impl CommandError {
    /// A failure with this code and this line.
    pub(crate) fn new(code: Exit, line: impl fmt::Display) -> Self {
        // One line, whatever it was made of.
        Self { code, line: line.to_string().replace(['\n', '\r'], " ") }
    }
}

impl From<ConfigErrors> for CommandError {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(Exit::Usage, errors)
    }
}

impl From<SinkError> for CommandError {
    fn from(error: SinkError) -> Self {
        Self::new(Exit::Sink, error)
    }
}

impl From<SetupError> for CommandError {
    fn from(error: SetupError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<ProviderError> for CommandError {
    fn from(error: ProviderError) -> Self {
        Self::new(Exit::of(&error), error)
    }
}

impl Exit {
    fn of(error: &ProviderError) -> Self {
        match error {
            ProviderError::Token(_) => Self::Token,
            ProviderError::Refused { recovery: Recovery::ReloadToken, .. } => Self::Token,
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

/// Runs the `credvend` process: parses `arguments`, executes the command and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    hardening::harden();
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    // The program that `exec` runs may write a core dump.
    if !matches!(cli.command, Command::Exec(_)) {
        hardening::forbid_core_dumps();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let help = "raise the limits of processes and open files";
            let failed = CommandError::new(Exit::Other, format!("cannot wait for sockets and timers: {error}; {help}"));
            // Logging is not set up yet.
            report(&failed, LogFormat::Text);
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(execute(cli, &ProcessEnvironment));
    // Do not wait for a thread that is blocked in file I/O.
    runtime.shutdown_background();
    code
}

/// Runs the command and reports its failure.
pub async fn execute(cli: Cli, env: &dyn Environment) -> ExitCode {
    // A one-shot's stderr is its caller's, and SDKs show all of their credential process's: it says only why it failed.
    let least = if matches!(cli.command, Command::Run(_)) { LevelFilter::INFO } else { LevelFilter::ERROR };
    let (format, done) = match config::logging::log_settings(&cli.log, least, env) {
        Ok(settings) => {
            telemetry::start(settings);
            (settings.format, dispatch(cli.command, env).await)
        }
        Err(errors) => (LogFormat::Text, Err(errors.into())),
    };
    match done {
        Ok(code) => code,
        Err(failed) => {
            report(&failed, format);
            ExitCode::from(failed.code as u8)
        }
    }
}

async fn dispatch(command: Command, env: &dyn Environment) -> Result<ExitCode, CommandError> {
    // `run` ends in its own time, and `exec` with its program.
    if !matches!(&command, Command::Run(args) if !args.once) && !matches!(&command, Command::Exec(_)) {
        shutdown::exit_on_signals();
    }
    let unreadable = env.unreadable();
    if !unreadable.is_empty() {
        return Err(ConfigErrors::one(format!("{} must be UTF-8 text", unreadable.join(" and "))).into());
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
fn read_identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, CommandError> {
    let identity = config::identity(args, env)?;
    for warning in &identity.warnings {
        tracing::warn!("{warning}");
    }
    Ok(identity)
}

/// The last line on stderr, at whatever level is logged. Where nobody can read it, the exit code still says what it says.
fn report(failed: &CommandError, format: LogFormat) {
    let _ = match format {
        LogFormat::Text => writeln!(io::stderr(), "credvend: {}", failed.line),
        LogFormat::Json => writeln!(
            io::stderr(),
            "{}",
            serde_json::json!({ "level": "ERROR", "message": failed.line, "exit_code": failed.code as u8 })
        ),
    };
}

/// Reads the command line. What `--help` and `--version` print goes to stdout and is success; a mistake is one line on
/// stderr and exit code 2.
///
/// # Errors
/// The exit code of a process that has nothing more to do.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    Cli::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        // Whoever closed stdout or stderr has no use for the text, and that changes nothing.
        if !error.use_stderr() {
            let _ = write!(io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        let _ = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                writeln!(io::stderr(), "{text}credvend: no command given; choose one of those above")
            }
            _ => writeln!(io::stderr(), "credvend: {}", in_one_line(&text)),
        };
        ExitCode::from(2)
    })
}

/// The error and its tips; of the usage that follows, the command whose help says more.
fn in_one_line(text: &str) -> String {
    let mut line = String::new();
    let mut command = "credvend";
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(usage) = part.strip_prefix("Usage: ") {
            let end = usage.find(|c: char| !c.is_ascii_lowercase() && c != ' ').unwrap_or(usage.len());
            command = usage[..end].trim_end();
            break;
        }
        if !part.starts_with("For more information") {
            let separator = if line.is_empty() || line.ends_with(':') { " " } else { "; " };
            line.extend([separator, part]);
        }
    }
    format!("{}; see {command} --help", line.trim_start().trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_usage_error_is_one_line_that_names_the_command_s_help() {
        for (arguments, line) in [
            (&["exec"][..], "the following required arguments were not provided: <CMD>...; see credvend exec --help"),
            (&["completions", "tcsh"], "invalid value 'tcsh' for '<SHELL>'"),
            (&["--nothing"], "unexpected argument '--nothing' found; see credvend --help"),
        ] {
            let error = Cli::try_parse_from([&["credvend"], arguments].concat()).expect_err("a mistake");
            let told = in_one_line(&error.render().to_string());
            assert!(told.starts_with(line) && told.ends_with("--help") && !told.contains("For more"), "{told}");
        }
    }
}
