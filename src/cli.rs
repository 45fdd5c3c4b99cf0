//! Argument groups that several commands share: identity, sinks, listeners and logging.
//!
//! Every value is text here. `config` parses it, so that all errors in flags, variables and profiles are reported at once.

use clap::Args;

/// How log lines look.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Form of the log lines on stderr: text or json [env: CREDVEND_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Logging")]
    pub(crate) log_format: Option<String>,

    /// Least level that is logged: error, warn, info, debug, trace or off [env: CREDVEND_LOG] [default: info in run, error elsewhere]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub(crate) log_level: Option<String>,
}

/// Whose credentials are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct IdentityArgs {
    /// First role: AssumeRoleWithWebIdentity [env: AWS_ROLE_ARN]
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,

    /// Projected token, read again at every exchange [env: AWS_WEB_IDENTITY_TOKEN_FILE] [default: where EKS mounts it]
    #[arg(long, value_name = "FILE")]
    pub(crate) web_identity_token_file: Option<String>,

    /// What CloudTrail shows [env: AWS_ROLE_SESSION_NAME] [default: namespace and pod of the token]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_session_name: Option<String>,

    /// Life of what is vended: seconds or 15m, 1h; up to 12h, 1h where roles are chained [env: CREDVEND_DURATION]
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: Option<String>,

    /// A further role, in order: AssumeRole [env: CREDVEND_CHAIN_ROLE_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub(crate) chain_role_arn: Vec<String>,

    /// External ID for the last hop [env: CREDVEND_EXTERNAL_ID]
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,

    /// Session policy for the last hop: JSON or @FILE [env: CREDVEND_POLICY]
    #[arg(long, value_name = "JSON")]
    pub(crate) policy: Option<String>,

    /// Managed policy that narrows the last hop's session [env: CREDVEND_POLICY_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub(crate) policy_arn: Vec<String>,

    /// Session tag K=V for the first chained hop, or `pod`: those of EKS Pod Identity [env: CREDVEND_SESSION_TAGS]
    #[arg(long, value_name = "K=V")]
    pub(crate) session_tag: Vec<String>,

    /// Key of a tag that goes on to further hops [env: CREDVEND_TRANSITIVE_TAGS]
    #[arg(long, value_name = "K")]
    pub(crate) transitive_tag: Vec<String>,

    /// Source identity for the first chained hop [env: CREDVEND_SOURCE_IDENTITY]
    #[arg(long, value_name = "NAME")]
    pub(crate) source_identity: Option<String>,

    /// Region whose STS is asked [env: AWS_REGION, AWS_DEFAULT_REGION] [default: the global endpoint]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// AWS config file with profiles [env: AWS_CONFIG_FILE] [default: ~/.aws/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,

    /// Profile to vend; the first is the endpoint's default [env: AWS_PROFILE] [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Vec<String>,

    /// Vend every profile that has a role_arn
    #[arg(long)]
    pub(crate) all_profiles: bool,
}

/// Where a `credvend run` listens; `health` and `status` find it by the same flags and variables.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct ListenArgs {
    /// Address of the container credentials endpoint; `none` turns it off [env: CREDVEND_LISTEN] [default: 127.0.0.1:9911]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<String>,

    /// Address of /healthz and /readyz without credentials, for probes from outside [env: CREDVEND_ADMIN_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin_listen: Option<String>,
}

/// Settings that several sinks of `credvend run` share.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct SharedSinkArgs {
    /// Authorization token file: require the token in it, which is generated if the file does not exist [env: CREDVEND_AUTH_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) auth_token_file: Option<String>,

    /// Directory of authorization tokens: one file per profile, valid for this profile only [env: CREDVEND_AUTH_TOKEN_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) auth_token_dir: Option<String>,

    /// Mode of written files [env: CREDVEND_FILE_MODE] [default: 0600]
    #[arg(long, value_name = "OCTAL")]
    pub(crate) file_mode: Option<String>,
}
