//! The command-line parser and the subcommands. Each subcommand has its own module with its arguments and implementation.

mod check;
mod completions;
mod error;
mod exec;
mod explain;
mod export;
mod health;
mod install;
mod oneshot;
mod output;
mod process;
mod reload;
mod run;
mod status;
mod terminal;
mod trust_policy;
mod usage_error;

use std::{ffi::OsString, io, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};
use tracing_subscriber::filter::LevelFilter;

use self::error::{CommandError, Exit};
use crate::{
    app::App,
    atomic_file::critical_section,
    bounded_file::FifoPolicy,
    cli::{IdentityArgs, LogArgs, WithLog},
    config::{self, Identity},
    http::resolver,
    observe::telemetry::{self, LogFormat, LogOutput},
    process::{blocking, hardening, reaper::Reaper, shutdown::SignalHandlers},
    settings::{
        environment::{Environment, ProcessEnvironment},
        errors::ConfigErrors,
    },
};

/// Maximum number of events that the runtime takes from the kernel at once. Its buffer of 12 bytes an event is always in memory.
const MAX_EVENTS: usize = 64;

/// Exchanges a Kubernetes service account token for AWS credentials, assumes further roles, and keeps the credentials fresh
#[derive(Debug, Parser)]
#[command(name = "credvend", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_long_help = "Examples:
  # Run a program with the credentials of the role in the annotation of the pod's service account
  credvend exec -- ./server

  # Serve credentials to the other containers of the pod
  credvend run

  # Print credentials once
  credvend export

Use 'credvend <COMMAND> --help' for more information about a command.

Exit codes:
  0  success
  1  any other error; for 'health': not ready
  2  usage or configuration error
  3  token error
  4  refused by STS or another base of the chain
  5  no response from STS or another base of the chain
  6  sink not written or not bound")]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The log flags before the subcommand.
    #[command(flatten)]
    log: LogArgs,
}

/// The subcommands. The doc comments are the help texts. Only the arguments of the subcommand that was typed are defined, because the
/// definitions take a third of the time of a command.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Keep credentials fresh in every sink until SIGTERM; with --once, write the file sinks once and exit
    ///
    /// Sinks are the container credentials endpoint for AWS SDKs (--listen) and a shared credentials file
    /// (--credentials-file). No flag is required if the environment has the variables of the EKS pod identity webhook.
    Run(Box<WithLog<run::Args>>),
    /// Print the credentials of one profile once, or write them to a file
    ///
    /// The credentials are not refreshed. For long-running programs, use `credvend exec` or `credvend run`.
    Export(Box<WithLog<export::Args>>),
    /// Print credentials as credential_process JSON, for use in an AWS config file
    ///
    /// An SDK runs the credential_process command of its profile when it needs credentials, and runs it again before the
    /// credentials expire. With --from-endpoint, the credentials come from a running `credvend run`.
    Process(Box<WithLog<process::Args>>),
    /// Run a program with a private credentials endpoint, and set the environment variables for AWS SDKs
    ///
    /// credvend makes the first exchange before it starts CMD. While CMD runs, credvend refreshes the credentials and forwards
    /// signals. It exits with the exit code of CMD. credvend removes access keys, web identity variables and profiles from
    /// CMD's environment, because SDKs prefer them to the endpoint. It also hides a shared file if its default profile holds
    /// credentials. If several profiles are selected, the first one is the default for CMD.
    Exec(Box<WithLog<exec::Args>>),
    /// Check the token, the configuration, STS and each hop, and report each problem with its fix
    Check(Box<WithLog<check::Args>>),
    /// Print the IAM policies that the token and the chain require
    TrustPolicy(Box<WithLog<trust_policy::Args>>),
    /// Check whether a running `credvend run` is ready; exit with 0 or 1
    ///
    /// `credvend run` is ready when it holds valid credentials for every profile. Set the same listener flags or variables as
    /// for `credvend run`.
    Health(Box<WithLog<health::Args>>),
    /// Show the roles, expiry times and last errors of a running `credvend run`; never shows secrets
    Status(Box<WithLog<status::Args>>),
    /// Say which credentials each AWS SDK would use in the surroundings of an application, and why
    ///
    /// Run it where the application runs. credvend reads the environment, the shared files and the token files as each SDK
    /// does, without network requests: it says which source an SDK asks first, not whether that source answers. Variables
    /// that a program sets itself are not seen, nor is code that selects a source. Secrets are never shown.
    Explain(Box<WithLog<explain::Args>>),
    /// Make a running `credvend run` reload its configuration and refresh all credentials, by SIGHUP
    ///
    /// The image has no shell and no `kill`. The process must be `credvend run`: other programs may end on SIGHUP.
    Reload(Box<WithLog<reload::Args>>),
    /// Copy this binary to a directory that other containers share
    ///
    /// The copy is statically linked and needs no other files. It atomically replaces an older copy, even a running one.
    Install(Box<WithLog<install::Args>>),
    /// Print a shell completion script for commands and flags
    Completions(Box<WithLog<completions::Args>>),
}

impl Command {
    /// Returns true for the commands that handle signals themselves and must never wait for a reader of their log.
    fn is_long_running(&self) -> bool {
        match self {
            Self::Run(args) => !args.once,
            Self::Exec(_) => true,
            _ => false,
        }
    }

    /// Returns the log flags after the subcommand.
    fn log(&self) -> &LogArgs {
        match self {
            Self::Run(args) => &args.log,
            Self::Export(args) => &args.log,
            Self::Process(args) => &args.log,
            Self::Exec(args) => &args.log,
            Self::Check(args) => &args.log,
            Self::TrustPolicy(args) => &args.log,
            Self::Health(args) => &args.log,
            Self::Status(args) => &args.log,
            Self::Explain(args) => &args.log,
            Self::Reload(args) => &args.log,
            Self::Install(args) => &args.log,
            Self::Completions(args) => &args.log,
        }
    }
}

impl Cli {
    /// Returns the log flags. Those after the subcommand take precedence.
    fn log(&self) -> LogArgs {
        self.command.log().or(&self.log)
    }
}

/// Runs the `credvend` process: parses `arguments`, executes the command and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let signals = SignalHandlers::install();
    hardening::harden();
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    // The program that `exec` runs may write a core dump.
    if !matches!(cli.command, Command::Exec(_)) {
        hardening::forbid_core_dumps();
    }
    // The runtime's pool of blocking threads is not used: it panics if the operating system refuses a thread.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(1).max_io_events_per_tick(MAX_EVENTS);
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let help = "raise the limits on processes and open files";
            let error = CommandError::new(Exit::Other, format!("cannot start the async runtime: {error}; {help}"));
            // Logging is not set up yet.
            return error.report(&LogOutput::direct(LogFormat::Text));
        }
    };
    let code = runtime.block_on(execute_with(cli, Arc::new(ProcessEnvironment), signals));
    // Do not wait for a thread that is blocked in file I/O, except for the moment in which a temporary file has a name.
    critical_section::close();
    runtime.shutdown_background();
    code
}

/// Runs the command, reports its failure and returns its exit code.
pub async fn execute(cli: Cli, env: impl Environment + 'static) -> ExitCode {
    execute_with(cli, Arc::new(env), SignalHandlers::install()).await
}

async fn execute_with(cli: Cli, env: Arc<dyn Environment>, signals: io::Result<SignalHandlers>) -> ExitCode {
    // One-shot commands log only errors by default: SDKs show everything that a credential process writes to stderr.
    let default_level = if matches!(cli.command, Command::Run(_)) { LevelFilter::INFO } else { LevelFilter::ERROR };
    let settings = match config::logging::log_settings(&cli.log(), default_level, &*env) {
        Ok(settings) => settings,
        Err(errors) => return CommandError::from(errors).report(&LogOutput::direct(LogFormat::Text)),
    };
    let output = match cli.command.is_long_running() {
        true => LogOutput::queued(settings.format),
        false => LogOutput::direct(settings.format),
    };
    telemetry::start(settings, &output);
    telemetry::report_panics(&output);
    let result = async { dispatch(cli.command, env, signals.map_err(signal_error)?).await }.await;
    let code = result.unwrap_or_else(|error| error.report(&output));
    output.flush();
    code
}

async fn dispatch(
    command: Command,
    shared_env: Arc<dyn Environment>,
    mut signals: SignalHandlers,
) -> Result<ExitCode, CommandError> {
    // `run` shuts down by itself. `exec` replaces the handlers once it knows its program.
    if !matches!(&command, Command::Run(args) if !args.once)
        && let Some(signal) = signals.exit_immediately().map_err(signal_error)?
    {
        return Ok(ExitCode::from(128 + signal));
    }
    let env = &*shared_env;
    let unreadable = env.unreadable();
    if !unreadable.is_empty() {
        return Err(ConfigErrors::one(format!("{} must be UTF-8 text", unreadable.join(" and "))).into());
    }
    let result = match command {
        Command::Exec(args) => return exec::run(&args, env, signals).await,
        Command::Run(args) => run::run(args.args, shared_env, signals).await,
        Command::Export(args) => export::run(&args, env).await,
        Command::Process(args) => process::run(&args, env).await,
        Command::Check(args) => check::run(&args, env).await,
        Command::TrustPolicy(args) => trust_policy::run(&args, env),
        Command::Health(args) => health::run(&args, env).await,
        Command::Status(args) => status::run(&args, env).await,
        Command::Explain(args) => return explain::run(&args, env),
        Command::Reload(args) => reload::run(&args),
        Command::Install(args) => install::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    result.map(|()| ExitCode::SUCCESS)
}

fn signal_error(error: io::Error) -> CommandError {
    CommandError::new(Exit::Other, format!("cannot handle signals: {error}; raise the limit on open files"))
}

/// Reads the chains to vend and logs the warnings about their configuration. One-shot commands hide warnings by default.
fn read_identity(args: &IdentityArgs, env: &dyn Environment, fifos: FifoPolicy) -> Result<Identity, CommandError> {
    let identity = config::identity(args, env, fifos)?;
    for warning in &identity.warnings {
        tracing::warn!("{warning}");
    }
    Ok(identity)
}

/// Starts the threads that a long-running command needs, so that it does not depend later on whether it can start one.
fn start_workers() -> Result<(), CommandError> {
    blocking::start().and_then(|()| resolver::start()).map_err(|error| {
        let help = "raise the pids limit of the pod, or the limit on processes";
        CommandError::new(Exit::Other, format!("cannot start a thread: {error}; {help}"))
    })
}

/// Reaps orphaned processes as long as the process lives, if it inherits them.
fn start_reaper(app: &App) -> Result<(), CommandError> {
    if let Some(reaper) = Reaper::new().map_err(signal_error)? {
        tokio::spawn(reaper.run(Arc::clone(app.clock())));
    }
    Ok(())
}

/// Parses the command line. Writes the output of `--help` and `--version` to stdout, and a usage error to stderr on one line.
///
/// # Errors
/// Returns the exit code of the process if there is no command to run: 0 after `--help` or `--version`, 6 if these cannot be
/// written, 2 after a usage error.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let mut definitions = Cli::command();
    let matches = definitions.try_get_matches_from_mut(arguments);
    let cli = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = cli.map_err(|error| error.format(&mut definitions));
    if cli.as_ref().is_ok_and(|cli| !cli.command.is_long_running()) {
        // A command that ends soon has no use for their memory, and they are many small blocks.
        std::mem::forget(definitions);
    }
    cli.map_err(|error| {
        let text = error.render().to_string();
        // Logging is not set up yet.
        let output = LogOutput::direct(LogFormat::Text);
        if !error.use_stderr() {
            return output::print(&text).map_or_else(|error| error.report(&output), |()| ExitCode::SUCCESS);
        }
        let line = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                text.lines().for_each(|line| output.line(line));
                "no command given; use one of the commands above".to_owned()
            }
            _ => usage_error::line(&text),
        };
        CommandError::new(Exit::Usage, line).report(&output)
    })
}

/// Parses a command line and all its settings, without executing the command. Returns the chains, or the exit code and the message.
#[cfg(fuzzing)]
pub(crate) fn configure(arguments: &[OsString], env: &dyn Environment) -> Result<String, (u8, String)> {
    let cli = Cli::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        if error.use_stderr() { (2, usage_error::line(&text)) } else { (0, text) }
    })?;
    // As `observe::telemetry` writes it.
    let failed = |error: CommandError| (error.code as u8, crate::printable::line(&error.line).into_owned());
    config::logging::log_settings(&cli.log(), LevelFilter::INFO, env).map_err(|errors| failed(errors.into()))?;
    let Command::Run(args) = &cli.command else { return Ok(String::new()) };
    let identity = read_identity(&args.identity, env, FifoPolicy::Refuse).map_err(failed)?;
    run::read_outputs(args, &identity, env).map_err(|errors| failed(errors.into()))?;
    Ok(format!("{identity:?}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_definitions_are_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_the_arguments_of_the_subcommand_that_was_typed_are_defined() {
        let mut command = Cli::command();
        command.try_get_matches_from_mut(["credvend", "export"]).expect("valid");
        let defined = command.get_subcommands().filter(|command| command.get_arguments().count() > 0);
        assert_eq!(defined.map(clap::Command::get_name).collect::<Vec<_>>(), ["export"]);
    }

    #[test]
    fn log_flags_stand_before_or_after_the_subcommand_and_last_in_its_help() {
        for (arguments, level) in [
            (&["credvend", "--log-level", "debug", "reload"][..], Some("debug")),
            (&["credvend", "reload", "--log-level", "debug"], Some("debug")),
            (&["credvend", "--log-level", "info", "reload", "--log-level", "debug"], Some("debug")),
            (&["credvend", "reload"], None),
        ] {
            let cli = Cli::try_parse_from(arguments).expect("valid");
            assert_eq!(cli.log().log_level.as_deref(), level, "{arguments:?}");
        }
        let mut command = Cli::command();
        command.build();
        for command in command.get_subcommands_mut() {
            let help = command.render_help().to_string();
            let last = help.lines().rfind(|line| line.ends_with(':') && line.starts_with(char::is_uppercase));
            assert_eq!(last, Some("Logging:"), "{help}");
        }
    }
}
