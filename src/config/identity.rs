//! Whose credentials are meant: the variables of the EKS pod identity webhook, or profiles of an AWS config file.

use std::path::Path;

use super::{
    Given, Mistakes,
    env::Environment,
    parameters, pick, pick_list,
    profile::{self, Wanted},
    sts_settings::{HopSettings, StsKeys, StsSettings},
};
use crate::{
    arn::{ExternalId, NotValid, RoleArn, SessionDuration, SessionName},
    chain::{AssumeRoleHop, Base, Chain, SessionPlan},
    cli::IdentityArgs,
    exchange::WebIdentityHop,
    sts::Proxies,
    token::TokenFile,
};

/// The name of the one profile that needs no file.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// Where EKS mounts the token.
const EKS_TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// The chains to vend, and what every call to STS has in common.
#[derive(Debug)]
pub struct Identity {
    /// One chain a profile, in order; never empty.
    pub chains: Vec<Chain>,
    /// The proxies towards STS.
    pub proxies: Proxies,
    /// What a person should know of: what in a shared file was skipped, and sessions that are too short. For the log.
    pub warnings: Vec<String>,
}

impl Identity {
    pub(super) fn read(args: &IdentityArgs, env: &dyn Environment) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let settings = StsSettings::read(args, env, &mut mistakes);
        let mut warnings = Vec::new();
        let chains = match mode(args, env, &mut mistakes) {
            Mode::ZeroConfiguration => zero_configuration(args, env, &settings, &mut mistakes).map(|chain| vec![chain]),
            Mode::Profiles(wanted) => {
                profile::chains(&wanted, args, env, &settings, &mut mistakes).map(|(chains, skipped)| {
                    warnings = skipped;
                    chains
                })
            }
            Mode::None => None,
        };
        warnings.extend(short_sessions(chains.as_deref().unwrap_or_default()));
        mistakes.none_or(chains).map(|chains| Self { chains, proxies: settings.proxies, warnings })
    }
}

/// Sessions so short that an SDK, which renews when 15 minutes are left, has nothing to keep.
fn short_sessions(chains: &[Chain]) -> Option<String> {
    let is_short = |chain: &&Chain| chain.duration().is_some_and(|duration| duration < SessionDuration::SHORTEST_KEPT);
    let short: Vec<&str> = chains.iter().filter(is_short).map(|chain| chain.profile.as_str()).collect();
    (!short.is_empty()).then(|| {
        format!(
            "sessions of less than 30 min ({}): botocore, .NET and s3fs will fetch credentials at almost every use, since \
             they renew when 15 to 20 min are left; ask for 30m or more with --duration (duration_seconds in a profile)",
            short.join(", ")
        )
    })
}

/// Which of the two it is.
enum Mode {
    ZeroConfiguration,
    Profiles(Wanted),
    None,
}

fn mode(args: &IdentityArgs, env: &dyn Environment, mistakes: &mut Mistakes) -> Mode {
    let role_flags = args.role_arn.is_some() || args.web_identity_token_file.is_some();
    let profile_flags = args.config.is_some() || !args.profile.is_empty() || args.all_profiles;
    if role_flags && profile_flags {
        mistakes.add(
            "--role-arn and --web-identity-token-file name a role, --config, --profile and --all-profiles name profiles: \
             give the one or the other",
        );
        return Mode::None;
    }
    if args.all_profiles && !args.profile.is_empty() {
        mistakes.add("--all-profiles takes every profile, --profile some: give the one or the other");
    }
    let profiles_named = profile_flags || env.text("AWS_CONFIG_FILE").is_some() || env.text("AWS_PROFILE").is_some();
    if !role_flags && profiles_named {
        return Mode::Profiles(Wanted::of(args, env));
    }
    if role_flags || env.text("AWS_ROLE_ARN").is_some() {
        return Mode::ZeroConfiguration;
    }
    match profile::default_of_home(env) {
        Some(wanted) => Mode::Profiles(wanted),
        None => {
            mistakes.add(
                "no role to assume: set AWS_ROLE_ARN or --role-arn, or name profiles with --config, --profile or AWS_PROFILE",
            );
            if args.web_identity_token_file.is_none() {
                token_file(args, env, mistakes);
            }
            Mode::None
        }
    }
}

fn zero_configuration(
    args: &IdentityArgs,
    env: &dyn Environment,
    settings: &StsSettings,
    mistakes: &mut Mistakes,
) -> Option<Chain> {
    let role_arn = pick(args.role_arn.as_ref(), "--role-arn", env, &["AWS_ROLE_ARN"]);
    if role_arn.is_none() {
        mistakes.add("no role to assume: set AWS_ROLE_ARN or --role-arn");
    }
    let role_arn = role_arn.and_then(|given| Some((parse_role_arn(&given, mistakes)?, given.origin)));
    let token_file = token_file(args, env, mistakes);
    let chain_role_arns: Vec<_> = pick_list(&args.chain_role_arn, "--chain-role-arn", env, "CREDVEND_CHAIN_ROLE_ARNS")
        .into_iter()
        .map(|given| Some((parse_role_arn(&given, mistakes)?, given.origin)))
        .collect();
    let session_name = session_name_flag(args, mistakes).or_else(|| session_name_variable(env, mistakes));
    let last_hop = LastHop::read(args, env, !chain_role_arns.is_empty(), mistakes);
    let first_chained = FirstChained::read(args, env, !chain_role_arns.is_empty(), mistakes);

    let mut session = |(role_arn, origin): (RoleArn, String), is_last: bool, session_name| {
        session_plan(role_arn, &origin, session_name, &[], settings, mistakes).map(|plan| match is_last {
            true => last_hop.apply(plan),
            false => plan,
        })
    };
    let base = session(role_arn?, chain_role_arns.is_empty(), session_name);
    let last = chain_role_arns.len();
    let hops: Option<Vec<_>> = (1..)
        .zip(chain_role_arns)
        .map(|(number, role_arn)| {
            let first_chained = if number == 1 { first_chained.clone() } else { FirstChained::default() };
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
    Some(Chain {
        profile: DEFAULT_PROFILE.to_owned(),
        base: Base::WebIdentity(WebIdentityHop { session: base?, token_file: token_file? }),
        hops: hops?,
        region: settings.region.clone(),
    })
}

fn token_file(args: &IdentityArgs, env: &dyn Environment, mistakes: &mut Mistakes) -> Option<TokenFile> {
    let given =
        pick(args.web_identity_token_file.as_ref(), "--web-identity-token-file", env, &["AWS_WEB_IDENTITY_TOKEN_FILE"]);
    if let Some(given) = given {
        return Some(TokenFile::new(given.text));
    }
    // Its volume may be mounted while the token is not yet written.
    let eks = Path::new(EKS_TOKEN_FILE);
    if eks.parent().is_some_and(Path::exists) {
        return Some(TokenFile::new(eks));
    }
    mistakes.add(format!(
        "no web identity token: set AWS_WEB_IDENTITY_TOKEN_FILE or --web-identity-token-file (nothing is mounted at {EKS_TOKEN_FILE})"
    ));
    None
}

/// What flags and variables say of the hop whose credentials are vended.
struct LastHop {
    duration: Option<SessionDuration>,
    policy: Option<String>,
    policy_arns: Vec<String>,
    external_id: Option<ExternalId>,
}

impl LastHop {
    fn read(args: &IdentityArgs, env: &dyn Environment, is_chained: bool, mistakes: &mut Mistakes) -> Self {
        let external_id = pick(args.external_id.as_ref(), "--external-id", env, &["CREDVEND_EXTERNAL_ID"]);
        if let (Some(given), false) = (&external_id, is_chained) {
            mistakes.add(format!("{} is for a chained role: add --chain-role-arn", given.origin));
        }
        let policy = pick(args.policy.as_ref(), "--policy", env, &["CREDVEND_POLICY"]);
        let policy_arns = pick_list(&args.policy_arn, "--policy-arn", env, "CREDVEND_POLICY_ARNS");
        Self {
            duration: duration(args, env, is_chained, mistakes),
            policy: policy.and_then(|given| parameters::policy(&given, mistakes)),
            policy_arns: parameters::policy_arns(policy_arns, mistakes),
            external_id: external_id.and_then(|given| mistakes.check(&given.origin, ExternalId::parse(&given.text))),
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

/// What flags and variables say of the first chained hop.
#[derive(Clone, Default)]
struct FirstChained {
    tags: parameters::Tags,
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
}

impl FirstChained {
    fn read(args: &IdentityArgs, env: &dyn Environment, is_chained: bool, mistakes: &mut Mistakes) -> Self {
        let tags = pick_list(&args.session_tag, "--session-tag", env, "CREDVEND_SESSION_TAGS");
        let transitive = pick_list(&args.transitive_tag, "--transitive-tag", env, "CREDVEND_TRANSITIVE_TAGS");
        let identity = pick(args.source_identity.as_ref(), "--source-identity", env, &["CREDVEND_SOURCE_IDENTITY"]);
        let first = tags.first().or(transitive.first()).or(identity.as_ref());
        if let (Some(given), false) = (first, is_chained) {
            mistakes.add(format!(
                "{} is for a chained role: add --chain-role-arn (a web identity session takes tags from its token alone)",
                given.origin
            ));
        }
        let tags = parameters::tags(tags, mistakes);
        Self {
            transitive_tag_keys: parameters::transitive_tag_keys(transitive, &tags, mistakes),
            tags,
            source_identity: identity.and_then(|given| parameters::source_identity(&given, mistakes)),
        }
    }
}

/// How long what is vended is asked to last.
pub(super) fn duration(
    args: &IdentityArgs,
    env: &dyn Environment,
    is_chained: bool,
    mistakes: &mut Mistakes,
) -> Option<SessionDuration> {
    let given = pick(args.duration.as_ref(), "--duration", env, &["CREDVEND_DURATION"])?;
    parse_duration(&given, is_chained, mistakes)
}

pub(super) fn parse_duration(given: &Given, is_chained: bool, mistakes: &mut Mistakes) -> Option<SessionDuration> {
    let parsed = SessionDuration::parse(&given.text).and_then(|duration| {
        if is_chained && duration > SessionDuration::LONGEST_CHAINED {
            return Err(NotValid::new("exceeds 1 h (3600 s), the longest session of a chained role"));
        }
        Ok(duration)
    });
    mistakes.check(&given.origin, parsed)
}

pub(super) fn parse_role_arn(given: &Given, mistakes: &mut Mistakes) -> Option<RoleArn> {
    mistakes.check(&given.origin, RoleArn::parse(&given.text))
}

pub(super) fn session_name_flag(args: &IdentityArgs, mistakes: &mut Mistakes) -> Option<SessionName> {
    let text = args.role_session_name.as_ref()?;
    mistakes.check("--role-session-name", SessionName::parse(text))
}

pub(super) fn session_name_variable(env: &dyn Environment, mistakes: &mut Mistakes) -> Option<SessionName> {
    let text = env.text("AWS_ROLE_SESSION_NAME")?;
    mistakes.check("AWS_ROLE_SESSION_NAME", SessionName::parse(&text))
}

/// A hop's plan with nothing but its role, name and endpoint.
pub(super) fn session_plan(
    role_arn: RoleArn,
    origin: &str,
    session_name: Option<SessionName>,
    profiles: &[&dyn StsKeys],
    settings: &StsSettings,
    mistakes: &mut Mistakes,
) -> Option<SessionPlan> {
    let HopSettings { endpoint, variant_origin, ca_bundle } = settings.for_hop(profiles, mistakes);
    mistakes.check(&variant_origin, endpoint.check_variant())?;
    let endpoint = mistakes.check(origin, endpoint.resolve(&role_arn))?;
    Some(SessionPlan {
        role_arn,
        session_name,
        duration: None,
        policy: None,
        policy_arns: Vec::new(),
        endpoint,
        ca_bundle,
    })
}
