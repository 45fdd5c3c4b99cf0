//! Parses the session parameters that zero configuration and profiles share.

use std::path::Path;

use super::sts_settings::{HopSettings, StsKeys, StsSettings};
use crate::{
    arn::{NotValid, Region, RoleArn, SessionDuration, SessionName},
    cli::IdentityArgs,
    plan::SessionPlan,
    printable,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick},
    },
    sts::{Endpoint, endpoint::EndpointSettings},
    token::TokenFile,
};

/// Name of the profile that applies if none is selected, and of the profile in zero configuration.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// Path at which EKS mounts the token.
const EKS_TOKEN_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// Reads the path of the web identity token.
pub(super) fn token_file(args: &IdentityArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Option<TokenFile> {
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

/// Reads the session duration of the last hop from the flag or the variable.
pub(super) fn duration(
    args: &IdentityArgs,
    env: &dyn Environment,
    is_chained: bool,
    errors: &mut ConfigErrors,
) -> Option<SessionDuration> {
    let setting = pick(args.duration.as_ref(), "--duration", env, &["CREDVEND_DURATION"])?;
    parse_duration(&setting, is_chained, errors)
}

pub(super) fn parse_duration(
    setting: &Setting,
    is_chained: bool,
    errors: &mut ConfigErrors,
) -> Option<SessionDuration> {
    let parsed = SessionDuration::parse(&setting.text).and_then(|duration| {
        if is_chained && duration > SessionDuration::LONGEST_CHAINED {
            return Err(NotValid::new(
                "exceeds 1 h (3600 s), the maximum session duration of a chained role; set 1h or less",
            ));
        }
        Ok(duration)
    });
    setting.check(parsed, errors)
}

pub(super) fn session_name_flag(
    args: &IdentityArgs,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<SessionName> {
    let setting = pick(args.role_session_name.as_ref(), "--role-session-name", env, &[])?;
    setting.check(SessionName::parse(&setting.text), errors)
}

pub(super) fn session_name_variable(env: &dyn Environment, errors: &mut ConfigErrors) -> Option<SessionName> {
    let setting = pick(None, "", env, &["AWS_ROLE_SESSION_NAME"])?;
    setting.check(SessionName::parse(&setting.text), errors)
}

/// Returns a hop's plan with its role, session name and endpoint, and without a duration or session policies.
pub(super) fn session_plan(
    role_arn: &Setting,
    session_name: Option<SessionName>,
    profiles: &[&dyn StsKeys],
    settings: &StsSettings,
    errors: &mut ConfigErrors,
) -> Option<SessionPlan> {
    let HopSettings { endpoint, fallback_regions, variant_origin, ca_bundle } = settings.for_hop(profiles, errors);
    // Other implementations of STS have roles with other ARNs.
    let is_any = endpoint.url.is_some() && !printable::looks_like_a_secret(&role_arn.text);
    let parse = if is_any { RoleArn::parse_any } else { RoleArn::parse };
    let parsed = role_arn.check(parse(&role_arn.text), errors);
    errors.check(&variant_origin, endpoint.check_variant())?;
    let fallback_endpoints = fallback_endpoints(&fallback_regions, &endpoint, parsed.as_ref()?, errors);
    let endpoint = role_arn.check(endpoint.resolve(parsed.as_ref()?), errors)?;
    Some(SessionPlan {
        role_arn: parsed?,
        session_name,
        duration: None,
        policy: None,
        policy_arns: Vec::new(),
        // A list can be the same for workloads in all its regions.
        fallback_endpoints: fallback_endpoints.into_iter().filter(|other| *other != endpoint).collect(),
        endpoint,
        ca_bundle,
    })
}

/// Returns the endpoints of the fallback regions, each once.
fn fallback_endpoints(
    regions: &[Setting],
    settings: &EndpointSettings,
    role_arn: &RoleArn,
    errors: &mut ConfigErrors,
) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    if let Some(first) = regions.first().filter(|_| settings.url.is_some()) {
        errors.add(format!(
            "{} cannot be combined with an endpoint URL, which replaces the endpoints of all regions; remove one of them",
            first.origin
        ));
        return endpoints;
    }
    for setting in regions {
        let parsed = Region::parse(&setting.text).and_then(|region| settings.fallback(region, role_arn));
        let endpoint = setting.check(parsed, errors);
        endpoints.extend(endpoint.filter(|endpoint| !endpoints.contains(endpoint)));
    }
    endpoints
}
