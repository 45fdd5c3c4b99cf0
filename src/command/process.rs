//! `credvend process`: prints the `credential_process` document to stdout.

mod from_endpoint;

use crate::{
    cli::IdentityArgs,
    clock::SystemClock,
    command::{CommandError, oneshot, output::print},
    config::endpoint_client,
    settings::{environment::Environment, errors::ConfigErrors},
    sink::credential_process::document,
};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples for an AWS config file (use an absolute path; some SDKs run the command with /bin/sh, others split it into words):
  # Assume a role with the projected token
  [profile app]
  credential_process = /usr/local/bin/credvend process --role-arn arn:aws:iam::111111111111:role/account-a-role

  # Share the credentials of the sidecar on 127.0.0.1:9911
  [default]
  credential_process = /shared/credvend process --from-endpoint

  # Use another profile of the sidecar
  [profile b]
  credential_process = /shared/credvend process --from-endpoint --profile account_b_role

  # Show the document that an SDK would read
  credvend process --from-endpoint http://127.0.0.1:9911/v1/credentials --timeout 2s"
)]
pub(crate) struct Args {
    /// Timeout of the whole command, including retries [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// Get the credentials from a running `credvend run` instead of STS [default: the AWS_CONTAINER_... variables, else http://127.0.0.1:9911/v1/credentials]
    ///
    /// The variables are AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI for the URL, and
    /// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN for the authorization token. credvend does
    /// not read a config file. The only identity flag that applies is --profile, which selects a profile of the endpoint.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with_all = CONFLICTS_WITH_ENDPOINT)]
    from_endpoint: Option<String>,

    /// File with the authorization token of the endpoint [default: the AWS_CONTAINER_... variables]
    #[arg(long, value_name = "FILE", requires = "from_endpoint")]
    auth_token_file: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Flags that conflict with --from-endpoint, because the configuration of `credvend run` determines them.
const CONFLICTS_WITH_ENDPOINT: [&str; 15] = [
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
    "sts_fallback_region",
    "config",
    "all_profiles",
];

/// Prints the document.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let Some(url) = &args.from_endpoint else {
        let (lease, _) = oneshot::provide_single_profile(&args.identity, env, timeout).await?;
        return print(&document(&lease.credentials));
    };
    if args.identity.profile.len() > 1 {
        return Err(ConfigErrors::one("only one profile can be printed at a time; specify --profile once").into());
    }
    let profile = args.identity.profile.first().map(String::as_str);
    let endpoint = endpoint_client::endpoint(url, args.auth_token_file.as_deref(), profile, env)?;
    let credentials = from_endpoint::fetch(&endpoint, &SystemClock::new(), timeout).await?;
    print(&document(&credentials))
}
