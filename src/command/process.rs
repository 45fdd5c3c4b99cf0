//! `credvend process`: the `credential_process` document on stdout, and nothing else.

mod from_endpoint;

use std::io::Write as _;

use crate::{
    cli::IdentityArgs,
    clock::SystemClock,
    command::{CommandError, Exit, oneshot},
    config::endpoint_client,
    settings::{environment::Environment, errors::ConfigErrors},
    sink::credential_process::document,
};

/// What `process` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples, in an AWS config file (an absolute path; some SDKs run the line by /bin/sh, others split it):
  # Assume a role with the projected token
  [profile app]
  credential_process = /usr/local/bin/credvend process --role-arn arn:aws:iam::111111111111:role/account-a-role

  # Share the credentials of the sidecar on 127.0.0.1:9911
  [default]
  credential_process = /shared/credvend process --from-endpoint

  # One of the sidecar's other profiles
  [profile b]
  credential_process = /shared/credvend process --from-endpoint --profile account_b_role

  # See what an SDK would see
  credvend process --from-endpoint http://127.0.0.1:9911/v1/credentials --timeout 2s"
)]
pub(crate) struct Args {
    /// Bound of the whole command, retries included [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// Ask a running `credvend run` in place of STS [default: the AWS_CONTAINER_... variables, else http://127.0.0.1:9911/v1/credentials]
    ///
    /// The variables are AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI, and for its authorization token
    /// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN. No config file is read, and of the
    /// identity flags only --profile counts: it names one of the endpoint's profiles.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with_all = NOT_FOR_ENDPOINTS)]
    from_endpoint: Option<String>,

    /// Authorization token of that endpoint [default: the AWS_CONTAINER_... variables]
    #[arg(long, value_name = "FILE", requires = "from_endpoint")]
    auth_token_file: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// What an endpoint was told when it was started.
const NOT_FOR_ENDPOINTS: [&str; 14] = [
    "role_arn",
    "web_identity_token_file",
    "role_session_name",
    "duration",
    "chain_role_arn",
    "external_id",
    "policy",
    "policy_arn",
    "session_tag",
    "transitive_tag",
    "source_identity",
    "region",
    "config",
    "all_profiles",
];

/// Prints the document.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let Some(url) = &args.from_endpoint else {
        let (lease, _) = oneshot::lease_of_one(&args.identity, env, timeout).await?;
        return print(&document(&lease.credentials));
    };
    if args.identity.profile.len() > 1 {
        return Err(ConfigErrors::one("one profile is printed at a time: give --profile once").into());
    }
    let profile = args.identity.profile.first().map(String::as_str);
    let endpoint = endpoint_client::endpoint(url, args.auth_token_file.as_deref(), profile, env)?;
    let credentials = from_endpoint::ask(&endpoint, &SystemClock::new(), timeout).await?;
    print(&document(&credentials))
}

/// Writes to stdout. A reader that has gone took what it wanted.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(Exit::Sink, format!("stdout: {}; see where it is redirected to", error.kind())))
        }
        _ => Ok(()),
    }
}
