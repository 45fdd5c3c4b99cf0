//! Argument groups that several commands share: identity, sinks, listeners and logging.
//!
//! Every value is text here. `config` parses it, so that all errors in flags, variables and profiles are reported at once.

use std::ops::Deref;

use clap::{ArgMatches, Args, Command, FromArgMatches, builder::Resettable};

/// The arguments of a subcommand, and the log flags, which can also stand before the subcommand.
///
/// Global flags of clap would do the same, but it adds them before the arguments of a subcommand whose definitions are deferred, and
/// so to the top of its help.
#[derive(Debug)]
pub(crate) struct WithLog<A> {
    pub(crate) args: A,
    pub(crate) log: LogArgs,
}

impl<A> Deref for WithLog<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.args
    }
}

impl<A: Args> Args for WithLog<A> {
    fn augment_args(command: Command) -> Command {
        // The doc comment of each group would replace the description of the subcommand.
        let [about, long_about] = [command.get_about(), command.get_long_about()].map(|text| text.cloned());
        let command = LogArgs::augment_args(A::augment_args(command));
        command.about(Resettable::from(about)).long_about(Resettable::from(long_about))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<A: Args> FromArgMatches for WithLog<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { args: A::from_arg_matches(matches)?, log: LogArgs::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.args.update_from_arg_matches(matches)?;
        self.log.update_from_arg_matches(matches)
    }
}

/// Format and level of the log.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// Format of the log on stderr: text or json [env: CREDVEND_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Logging")]
    pub(crate) log_format: Option<String>,

    /// Minimum log level: error, warn, info, debug, trace or off [env: CREDVEND_LOG] [default: info in run, error elsewhere]
    #[arg(long, value_name = "LEVEL", help_heading = "Logging")]
    pub(crate) log_level: Option<String>,
}

impl LogArgs {
    /// Returns these arguments, and those of `other` where these are missing.
    pub(crate) fn or(&self, other: &Self) -> Self {
        let either = |this: &Option<String>, other: &Option<String>| this.as_ref().or(other.as_ref()).cloned();
        Self {
            log_format: either(&self.log_format, &other.log_format),
            log_level: either(&self.log_level, &other.log_level),
        }
    }
}

/// Flags that select the credentials.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct IdentityArgs {
    /// ARN of the first role, assumed with AssumeRoleWithWebIdentity [env: AWS_ROLE_ARN]
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,

    /// Projected service account token, read again for every exchange [env: AWS_WEB_IDENTITY_TOKEN_FILE] [default: where EKS mounts it]
    #[arg(long, value_name = "FILE")]
    pub(crate) web_identity_token_file: Option<String>,

    /// Role session name, shown in CloudTrail [env: AWS_ROLE_SESSION_NAME] [default: namespace and pod of the token]
    #[arg(long, value_name = "NAME")]
    pub(crate) role_session_name: Option<String>,

    /// Session duration of the last role: seconds, or 15m, 1h; at most 12h, or 1h if roles are chained [env: CREDVEND_DURATION]
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: Option<String>,

    /// ARN of a further role, assumed with AssumeRole; repeat the flag for each role, in order [env: CREDVEND_CHAIN_ROLE_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub(crate) chain_role_arn: Vec<String>,

    /// External ID of the last hop [env: CREDVEND_EXTERNAL_ID]
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,

    /// Session policy of the last hop: JSON or @FILE [env: CREDVEND_POLICY]
    #[arg(long, value_name = "JSON")]
    pub(crate) policy: Option<String>,

    /// ARN of a managed policy that limits the session of the last hop [env: CREDVEND_POLICY_ARNS, between commas]
    #[arg(long, value_name = "ARN")]
    pub(crate) policy_arn: Vec<String>,

    /// Session tag K=V of the first chained hop, or `pod` for the tags of EKS Pod Identity [env: CREDVEND_SESSION_TAGS]
    #[arg(long, value_name = "K=V")]
    pub(crate) session_tag: Vec<String>,

    /// Key of a session tag to pass on to later hops [env: CREDVEND_TRANSITIVE_TAGS]
    #[arg(long, value_name = "K")]
    pub(crate) transitive_tag: Vec<String>,

    /// Source identity of the first chained hop [env: CREDVEND_SOURCE_IDENTITY]
    #[arg(long, value_name = "NAME")]
    pub(crate) source_identity: Option<String>,

    /// Region of the STS endpoint [env: AWS_REGION, AWS_DEFAULT_REGION] [default: the global endpoint]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// Region whose STS is asked if the STS of the region fails; repeat the flag for each region, in order [env: CREDVEND_STS_FALLBACK_REGIONS, between commas]
    #[arg(long, value_name = "REGION")]
    pub(crate) sts_fallback_region: Vec<String>,

    /// AWS config file that defines the profiles [env: AWS_CONFIG_FILE] [default: ~/.aws/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,

    /// Profile to vend; the first one is the default of the endpoint [env: AWS_PROFILE] [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Vec<String>,

    /// Vend every profile that has a role_arn
    #[arg(long)]
    pub(crate) all_profiles: bool,
}

/// Addresses that `credvend run` listens on. `health` and `status` find it with the same flags and variables.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct ListenArgs {
    /// Address of the container credentials endpoint; `none` disables it [env: CREDVEND_LISTEN] [default: 127.0.0.1:9911]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<String>,

    /// Address of /healthz, /readyz and /metrics without credentials, for probes from outside the pod; `:PORT` is every address [env: CREDVEND_ADMIN_LISTEN]
    #[arg(long, value_name = "[ADDR]:PORT")]
    pub(crate) admin_listen: Option<String>,
}

/// The authorization token of a running `credvend run`, for the commands that ask it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TokenArgs {
    /// File with the authorization token of `credvend run`, if it requires one [env: CREDVEND_AUTH_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) auth_token_file: Option<String>,

    /// Directory with the authorization tokens of `credvend run`, one per profile [env: CREDVEND_AUTH_TOKEN_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) auth_token_dir: Option<String>,
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

    /// Accept requests without an Authorization header, as SDKs from before 2024 send them; a wrong token is still refused [env: CREDVEND_AUTH_TOKEN_OPTIONAL]
    #[arg(long)]
    pub(crate) auth_token_optional: bool,

    /// Mode of written files [env: CREDVEND_FILE_MODE] [default: 0600]
    #[arg(long, value_name = "OCTAL")]
    pub(crate) file_mode: Option<String>,
}
