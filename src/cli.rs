//! What was typed. What it means is `config`'s business: here every value is still text, so that all mistakes can be
//! reported at once, together with those in variables and profiles.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::command;

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
    pub command: Command,

    /// Where log lines go and how they look.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep credentials fresh in every sink until SIGTERM; with --once, fill the file sinks and exit
    ///
    /// The sinks are the container credentials endpoint that AWS SDKs ask (--listen), and a shared credentials file
    /// (--credentials-file). With the variables that the EKS pod identity webhook sets, no flag is needed.
    Run(Box<command::run::Args>),
    /// Print one profile's credentials, or write them to a file, once
    ///
    /// What is printed does not stay fresh: for longer work use `credvend exec` or `credvend run`.
    Export(Box<command::export::Args>),
    /// Print the credential_process JSON, for an AWS config file
    ///
    /// SDKs run the line of their profile's credential_process when they need credentials, and again before those expire.
    /// With --from-endpoint the credentials are those of a running `credvend run`.
    Process(Box<command::process::Args>),
    /// Run a program beside a private endpoint, with the environment that points AWS SDKs at it
    ///
    /// The first exchange is made before CMD starts; from then on credvend keeps the credentials fresh, passes signals on, and
    /// exits as CMD exits. From CMD's environment it removes keys, web identity and profile, which SDKs would prefer; a shared
    /// file whose default profile holds credentials is hidden from it. Of several profiles the first is CMD's default.
    Exec(Box<command::exec::Args>),
    /// Examine token, configuration, STS and each hop, and say what is wrong and how to mend it
    Check(Box<command::check::Args>),
    /// Print the IAM policies that this token and chain need
    TrustPolicy(Box<command::trust_policy::Args>),
    /// Ask a running `credvend run` whether it is ready: exit 0 or 1
    ///
    /// Ready is who holds valid credentials for every profile. It is found by the same flags and variables as `run`'s.
    Health(command::health::Args),
    /// Show what a running `credvend run` holds: roles, expiries, the last errors; never a secret
    Status(command::status::Args),
    /// Copy this binary into a directory, for containers that share it
    ///
    /// The copy is static and needs nothing else. It replaces an older one at once, even while that is running.
    Install(command::install::Args),
    /// Print what makes a shell complete commands and flags
    Completions(command::completions::Args),
}

/// How log lines look.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Form of the log lines on stderr: text or json [env: CREDVEND_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Logging")]
    pub log_format: Option<String>,

    /// Least level that is logged: error, warn, info, debug, trace or off [env: CREDVEND_LOG] [default: info in run, error elsewhere]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub log_level: Option<String>,
}

/// Whose credentials are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityArgs {
    /// First role: AssumeRoleWithWebIdentity [env: AWS_ROLE_ARN]
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,

    /// Projected token, read again at every exchange [env: AWS_WEB_IDENTITY_TOKEN_FILE] [default: where EKS mounts it]
    #[arg(long, value_name = "FILE")]
    pub web_identity_token_file: Option<String>,

    /// What CloudTrail shows [env: AWS_ROLE_SESSION_NAME] [default: namespace and pod of the token]
    #[arg(long, value_name = "NAME")]
    pub role_session_name: Option<String>,

    /// Life of what is vended: seconds or 15m, 1h; up to 12h, 1h where roles are chained [env: CREDVEND_DURATION]
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<String>,

    /// A further role, in order: AssumeRole [env: CREDVEND_CHAIN_ROLE_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub chain_role_arn: Vec<String>,

    /// External ID for the last hop [env: CREDVEND_EXTERNAL_ID]
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,

    /// Session policy for the last hop: JSON or @FILE [env: CREDVEND_POLICY]
    #[arg(long, value_name = "JSON")]
    pub policy: Option<String>,

    /// Managed policy that narrows the last hop's session [env: CREDVEND_POLICY_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub policy_arn: Vec<String>,

    /// Session tag K=V for the first chained hop, or `pod`: those of EKS Pod Identity [env: CREDVEND_SESSION_TAGS]
    #[arg(long, value_name = "K=V")]
    pub session_tag: Vec<String>,

    /// Key of a tag that goes on to further hops [env: CREDVEND_TRANSITIVE_TAGS]
    #[arg(long, value_name = "K")]
    pub transitive_tag: Vec<String>,

    /// Source identity for the first chained hop [env: CREDVEND_SOURCE_IDENTITY]
    #[arg(long, value_name = "NAME")]
    pub source_identity: Option<String>,

    /// Region whose STS is asked [env: AWS_REGION, AWS_DEFAULT_REGION] [default: the global endpoint]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// AWS config file with profiles [env: AWS_CONFIG_FILE] [default: ~/.aws/config]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Profile to vend; the first is the endpoint's default [env: AWS_PROFILE] [default: default]
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,

    /// Vend every profile that has a role_arn
    #[arg(long)]
    pub all_profiles: bool,
}

/// Where a `credvend run` listens; `health` and `status` find it by the same flags and variables.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Listeners")]
pub struct ListenArgs {
    /// Address of the container credentials endpoint; `none` turns it off [env: CREDVEND_LISTEN] [default: 127.0.0.1:9911]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<String>,

    /// Address of /healthz and /readyz without credentials, for probes from outside [env: CREDVEND_ADMIN_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin_listen: Option<String>,
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
