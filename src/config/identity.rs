//! Reads the chains to vend, either from flags and the variables of the EKS pod identity webhook (zero configuration) or from
//! profiles of an AWS config file.

use std::path::Path;

use crate::{
    arn::{ExternalId, RoleArn, SessionDuration},
    bounded_file::FifoPolicy,
    cli::IdentityArgs,
    config::{
        parameters,
        profile::{self, ProfileSelection},
        session::{duration, parse_role_arn, session_name_flag, session_name_variable, session_plan},
        sts_settings::StsSettings,
    },
    plan::{AssumeRoleHop, Base, ChainPlan, SessionPlan, WebIdentityHop},
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{pick, pick_list},
    },
    sts::Proxies,
    token::TokenFile,
};

/// Name of the profile in zero configuration, where no config file defines one.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// Path at which EKS mounts the token.
const EKS_TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// The chains to vend, and the settings that apply to all STS calls.
#[derive(Debug)]
pub(crate) struct Identity {
    /// One chain per profile, in order; never empty.
    pub(crate) chains: Vec<ChainPlan>,
    pub(crate) proxies: Proxies,
    /// Warnings about skipped lines of shared files and about sessions that are too short.
    pub(crate) warnings: Vec<String>,
}

impl Identity {
    pub(super) fn read(args: &IdentityArgs, env: &dyn Environment, fifos: FifoPolicy) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let settings = StsSettings::read(args, env, &mut errors);
        let mut warnings = Vec::new();
        let chains = match mode(args, env, &mut errors) {
            Mode::ZeroConfiguration => {
                zero_configuration(args, env, &settings, fifos, &mut errors).map(|chain| vec![chain])
            }
            Mode::Profiles(selection) => {
                profile::chains(&selection, args, env, &settings, fifos, &mut errors).map(|(chains, file_warnings)| {
                    warnings = file_warnings;
                    chains
                })
            }
            Mode::Unknown => None,
        };
        warnings.extend(short_session_warning(chains.as_deref().unwrap_or_default()));
        errors.into_result(chains).map(|chains| Self { chains, proxies: settings.proxies, warnings })
    }
}

/// Returns a warning if sessions are so short that SDKs do not keep the credentials. SDKs renew credentials about 15 minutes
/// before expiry.
fn short_session_warning(chains: &[ChainPlan]) -> Option<String> {
    let is_short = |chain: &&ChainPlan| {
        chain.duration().is_some_and(|duration| duration < SessionDuration::SHORTEST_WITHOUT_WARNING)
    };
    let short: Vec<&str> = chains.iter().filter(is_short).map(|chain| chain.profile.as_str()).collect();
    (!short.is_empty()).then(|| {
        format!(
            "sessions of less than 30 min ({}): botocore, .NET and s3fs fetch credentials for almost every request, because \
             they renew credentials 15 to 20 min before expiry; set --duration (duration_seconds in a profile) to 30m or more",
            short.join(", ")
        )
    })
}

/// The source of the chains.
enum Mode {
    ZeroConfiguration,
    Profiles(ProfileSelection),
    /// The settings select no source, or contradict each other.
    Unknown,
}

fn mode(args: &IdentityArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Mode {
    let role_flags = args.role_arn.is_some() || args.web_identity_token_file.is_some();
    let profile_flags = args.config.is_some() || !args.profile.is_empty() || args.all_profiles;
    if role_flags && profile_flags {
        errors.add(
            "--role-arn and --web-identity-token-file cannot be used with --config, --profile or --all-profiles; specify \
             either a role or profiles",
        );
        return Mode::Unknown;
    }
    if args.all_profiles && !args.profile.is_empty() {
        errors.add("--all-profiles cannot be used with --profile; specify only one of them");
    }
    let has_profile_settings =
        profile_flags || env.text("AWS_CONFIG_FILE").is_some() || env.text("AWS_PROFILE").is_some();
    if !role_flags && has_profile_settings {
        return Mode::Profiles(ProfileSelection::read(args, env));
    }
    if role_flags || env.text("AWS_ROLE_ARN").is_some() {
        return Mode::ZeroConfiguration;
    }
    match profile::default_in_home(env) {
        Some(selection) => Mode::Profiles(selection),
        None => {
            errors.add(
                "no role to assume; set AWS_ROLE_ARN or --role-arn, or select profiles with --config, --profile or AWS_PROFILE",
            );
            if args.web_identity_token_file.is_none() {
                token_file(args, env, errors);
            }
            Mode::Unknown
        }
    }
}

fn zero_configuration(
    args: &IdentityArgs,
    env: &dyn Environment,
    settings: &StsSettings,
    fifos: FifoPolicy,
    errors: &mut ConfigErrors,
) -> Option<ChainPlan> {
    let role_arn = pick(args.role_arn.as_ref(), "--role-arn", env, &["AWS_ROLE_ARN"]);
    if role_arn.is_none() {
        errors.add("no role to assume; set AWS_ROLE_ARN or --role-arn");
    }
    let role_arn = role_arn.and_then(|setting| Some((parse_role_arn(&setting, errors)?, setting.origin)));
    let token_file = token_file(args, env, errors);
    let chain_role_arns: Vec<_> = pick_list(&args.chain_role_arn, "--chain-role-arn", env, "CREDVEND_CHAIN_ROLE_ARNS")
        .into_iter()
        .map(|setting| Some((parse_role_arn(&setting, errors)?, setting.origin)))
        .collect();
    let session_name = session_name_flag(args, errors).or_else(|| session_name_variable(env, errors));
    let last_hop = LastHopSettings::read(args, env, !chain_role_arns.is_empty(), fifos, errors);
    let first_chained = FirstChainedHopSettings::read(args, env, !chain_role_arns.is_empty(), errors);

    let mut session = |(role_arn, origin): (RoleArn, String), is_last: bool, session_name| {
        session_plan(role_arn, &origin, session_name, &[], settings, errors).map(|plan| match is_last {
            true => last_hop.apply(plan),
            false => plan,
        })
    };
    let base = session(role_arn?, chain_role_arns.is_empty(), session_name);
    let last = chain_role_arns.len();
    let hops: Option<Vec<_>> = (1..)
        .zip(chain_role_arns)
        .map(|(number, role_arn)| {
            let first_chained = if number == 1 { first_chained.clone() } else { FirstChainedHopSettings::default() };
            Some(AssumeRoleHop {
                session: session(role_arn?, number == last, None)?,
                external_id: last_hop.external_id.clone().filter(|_| number == last),
                tags: first_chained.tags.fixed,
                pod_tags: first_chained.tags.pod,
                transitive_tag_keys: first_chained.transitive_tag_keys,
                source_identity: first_chained.source_identity,
            })
        })
        .collect();
    Some(ChainPlan {
        profile: DEFAULT_PROFILE.to_owned(),
        base: Base::WebIdentity(WebIdentityHop { session: base?, token_file: token_file? }),
        hops: hops?,
        region: settings.region.clone(),
    })
}

fn token_file(args: &IdentityArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Option<TokenFile> {
    let setting =
        pick(args.web_identity_token_file.as_ref(), "--web-identity-token-file", env, &["AWS_WEB_IDENTITY_TOKEN_FILE"]);
    if let Some(setting) = setting {
        return Some(TokenFile::new(setting.text));
    }
    // Check the directory, because the volume can be mounted before the token is written.
    let default = Path::new(EKS_TOKEN_FILE);
    if default.parent().is_some_and(Path::exists) {
        return Some(TokenFile::new(default));
    }
    errors.add(format!(
        "no web identity token: nothing is mounted at {EKS_TOKEN_FILE}; set AWS_WEB_IDENTITY_TOKEN_FILE or \
         --web-identity-token-file"
    ));
    None
}

/// Flags and variables that apply to the last hop.
struct LastHopSettings {
    duration: Option<SessionDuration>,
    policy: Option<String>,
    policy_arns: Vec<String>,
    external_id: Option<ExternalId>,
}

impl LastHopSettings {
    fn read(
        args: &IdentityArgs,
        env: &dyn Environment,
        is_chained: bool,
        fifos: FifoPolicy,
        errors: &mut ConfigErrors,
    ) -> Self {
        let external_id = pick(args.external_id.as_ref(), "--external-id", env, &["CREDVEND_EXTERNAL_ID"]);
        if let (Some(setting), false) = (&external_id, is_chained) {
            errors.add(format!("{} requires a chained role; add --chain-role-arn", setting.origin));
        }
        let policy = pick(args.policy.as_ref(), "--policy", env, &["CREDVEND_POLICY"]);
        let policy_arns = pick_list(&args.policy_arn, "--policy-arn", env, "CREDVEND_POLICY_ARNS");
        Self {
            duration: duration(args, env, is_chained, errors),
            policy: policy.and_then(|setting| parameters::policy(&setting, fifos, errors)),
            policy_arns: parameters::policy_arns(policy_arns, errors),
            external_id: external_id
                .and_then(|setting| errors.check(&setting.origin, ExternalId::parse(&setting.text))),
        }
    }

    fn apply(&self, plan: SessionPlan) -> SessionPlan {
        SessionPlan {
            duration: self.duration,
            policy: self.policy.clone(),
            policy_arns: self.policy_arns.clone(),
            ..plan
        }
    }
}

/// Flags and variables that apply to the first chained hop.
#[derive(Clone, Default)]
struct FirstChainedHopSettings {
    tags: parameters::Tags,
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
}

impl FirstChainedHopSettings {
    fn read(args: &IdentityArgs, env: &dyn Environment, is_chained: bool, errors: &mut ConfigErrors) -> Self {
        let tags = pick_list(&args.session_tag, "--session-tag", env, "CREDVEND_SESSION_TAGS");
        let transitive = pick_list(&args.transitive_tag, "--transitive-tag", env, "CREDVEND_TRANSITIVE_TAGS");
        let identity = pick(args.source_identity.as_ref(), "--source-identity", env, &["CREDVEND_SOURCE_IDENTITY"]);
        let first = tags.first().or(transitive.first()).or(identity.as_ref());
        if let (Some(setting), false) = (first, is_chained) {
            errors.add(format!(
                "{} requires a chained role, because a web identity session takes tags only from its token; add \
                 --chain-role-arn",
                setting.origin
            ));
        }
        let tags = parameters::tags(tags, errors);
        Self {
            transitive_tag_keys: parameters::transitive_tag_keys(transitive, &tags, errors),
            tags,
            source_identity: identity.and_then(|setting| parameters::source_identity(&setting, errors)),
        }
    }
}
