//! Sessions that are asked to last too long.

use crate::{
    advice::{diagnosis::Diagnosis, iam::raise_max_session_duration},
    arn::SessionDuration,
    plan::SessionPlan,
    sts::cause::Cause,
};

pub(super) fn diagnose(cause: Cause, session: &SessionPlan) -> Diagnosis {
    let role_arn = &session.role_arn;
    let asked = session.duration.map_or(3600, SessionDuration::as_secs);
    let lower = "lower --duration (duration_seconds in a profile)";
    if cause == Cause::LongerThanChainAllows {
        return Diagnosis::new(
            format!(
                "{asked} s were asked for, and a role that another role assumes gives 1 h (3600 s) at most, whatever its MaxSessionDuration"
            ),
            format!("{lower} to 1h; credvend renews in time"),
        );
    }
    Diagnosis::new(format!("{asked} s were asked for, which is more than its MaxSessionDuration"), lower).or(format!(
        "or in account {}: {}",
        role_arn.account_id(),
        raise_max_session_duration(role_arn, asked.max(3600))
    ))
}
