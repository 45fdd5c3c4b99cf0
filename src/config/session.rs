//! Parses the session parameters that zero configuration and profiles share.

use super::sts_settings::{HopSettings, StsKeys, StsSettings};
use crate::{
    arn::{NotValid, RoleArn, SessionDuration, SessionName},
    cli::IdentityArgs,
    plan::SessionPlan,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick},
    },
};

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
    errors.check(&setting.origin, parsed)
}

pub(super) fn parse_role_arn(setting: &Setting, errors: &mut ConfigErrors) -> Option<RoleArn> {
    errors.check(&setting.origin, RoleArn::parse(&setting.text))
}

pub(super) fn session_name_flag(args: &IdentityArgs, errors: &mut ConfigErrors) -> Option<SessionName> {
    let text = args.role_session_name.as_ref()?;
    errors.check("--role-session-name", SessionName::parse(text))
}

pub(super) fn session_name_variable(env: &dyn Environment, errors: &mut ConfigErrors) -> Option<SessionName> {
    let text = env.text("AWS_ROLE_SESSION_NAME")?;
    errors.check("AWS_ROLE_SESSION_NAME", SessionName::parse(&text))
}

/// Returns a hop's plan with its role, session name and endpoint, and without a duration or session policies.
pub(super) fn session_plan(
    role_arn: RoleArn,
    origin: &str,
    session_name: Option<SessionName>,
    profiles: &[&dyn StsKeys],
    settings: &StsSettings,
    errors: &mut ConfigErrors,
) -> Option<SessionPlan> {
    let HopSettings { endpoint, variant_origin, ca_bundle } = settings.for_hop(profiles, errors);
    errors.check(&variant_origin, endpoint.check_variant())?;
    let endpoint = errors.check(origin, endpoint.resolve(&role_arn))?;
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
