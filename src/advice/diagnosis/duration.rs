//! Diagnoses of session durations that exceed a limit.

use crate::{
    advice::{diagnosis::Diagnosis, iam::raise_max_session_duration},
    arn::SessionDuration,
    plan::SessionPlan,
    sts::cause::Cause,
};

pub(super) fn diagnose(cause: Cause, session: &SessionPlan) -> Diagnosis {
    let role_arn = &session.role_arn;
    let requested = session.duration.map_or(3600, SessionDuration::as_secs);
    let lower = "lower --duration (duration_seconds in a profile)";
    if cause == Cause::LongerThanChainAllows {
        return Diagnosis::new(
            format!(
                "the requested duration of {requested} s exceeds the limit for role chaining, which is 1 h (3600 s) \
                 regardless of MaxSessionDuration"
            ),
            format!("{lower} to 1h; credvend refreshes the credentials before they expire"),
        );
    }
    Diagnosis::new(format!("the requested duration of {requested} s exceeds the role's MaxSessionDuration"), lower).or(
        format!(
            "or run in account {}: {}",
            role_arn.account_id(),
            raise_max_session_duration(role_arn, requested.max(3600))
        ),
    )
}
