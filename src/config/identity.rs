//! Reads the chains to vend, either from flags and the variables of the EKS pod identity webhook (zero configuration) or from
//! profiles of an AWS config file.

use crate::{
    arn::{ExternalId, SessionDuration},
    bounded_file::FifoPolicy,
    cli::IdentityArgs,
    config::{
        parameters,
        profile::{self, FileProfile, Files},
        session::{DEFAULT_PROFILE, duration, session_name_flag, session_name_variable, session_plan, token_file},
        source::Source,
        sts_settings::{StsKeys, StsSettings},
    },
    plan::{AssumeRoleHop, Base, ChainPlan, SessionPlan, WebIdentityHop},
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick, pick_arns, pick_list},
    },
    sts::Proxies,
};

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
        let chains = Source::select(args, env, fifos, &mut errors).and_then(|source| {
            warnings = source.warnings(env);
            match &source {
                Source::Role(default) => {
                    let default = default.as_ref().and_then(Files::default_profile);
                    zero_configuration(args, env, &settings, default.as_ref(), fifos, &mut errors)
                        .map(|chain| vec![chain])
                }
                Source::Profiles(selection, files) => {
                    Some(profile::chains(selection, files, args, env, &settings, &mut errors))
                }
            }
        });
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

/// Returns the chain of a role from flags and variables. STS settings that these do not set come from the default profile.
fn zero_configuration(
    args: &IdentityArgs,
    env: &dyn Environment,
    settings: &StsSettings,
    default: Option<&FileProfile<'_>>,
    fifos: FifoPolicy,
    errors: &mut ConfigErrors,
) -> Option<ChainPlan> {
    let role_arn = pick(args.role_arn.as_ref(), "--role-arn", env, &["AWS_ROLE_ARN"]);
    if role_arn.is_none() {
        errors.add("no role to assume; set AWS_ROLE_ARN or --role-arn");
    }
    let token_file = token_file(args, env, errors);
    let chain_role_arns = pick_arns(&args.chain_role_arn, "--chain-role-arn", env, "CREDVEND_CHAIN_ROLE_ARNS");
    let session_name = session_name_flag(args, env, errors).or_else(|| session_name_variable(env, errors));
    let last_hop = LastHopSettings::read(args, env, !chain_role_arns.is_empty(), fifos, errors);
    let first_chained = FirstChainedHopSettings::read(args, env, !chain_role_arns.is_empty(), errors);

    let profiles: Vec<&dyn StsKeys> = default.map(|profile| profile as &dyn StsKeys).into_iter().collect();
    let region = settings.for_hop(&profiles, errors).endpoint.region;
    let mut session = |role_arn: &Setting, is_last: bool, session_name| {
        session_plan(role_arn, session_name, &profiles, settings, errors).map(|plan| match is_last {
            true => last_hop.apply(plan),
            false => plan,
        })
    };
    let base = role_arn.and_then(|role_arn| session(&role_arn, chain_role_arns.is_empty(), session_name));
    let last = chain_role_arns.len();
    let hops: Option<Vec<_>> = (1..)
        .zip(chain_role_arns)
        .map(|(number, role_arn)| {
            let first_chained = if number == 1 { first_chained.clone() } else { FirstChainedHopSettings::default() };
            Some(AssumeRoleHop {
                session: session(&role_arn, number == last, None)?,
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
        region,
    })
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
        let policy_arns = pick_arns(&args.policy_arn, "--policy-arn", env, "CREDVEND_POLICY_ARNS");
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
