//! The status document at `/v1/status`: role, expiry, next refresh and last error of each profile. It never contains a
//! secret.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::http::{authorization::Caller, rejection::Rejection, server::json};
use crate::{
    arn::RoleArn,
    clock::Moment,
    store::{Profile, Store},
    sts::Endpoint,
};

pub(crate) const STATUS_PATH: &str = "/v1/status";

/// The status document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The profiles; the first is the endpoint's default.
    pub(crate) profiles: Vec<ProfileStatus>,
}

/// The status of one profile.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProfileStatus {
    pub(crate) name: String,
    /// The role of the credentials, if they are those of a role. Before the first exchange, the configured role.
    pub(crate) role_arn: Option<String>,
    /// Whether the credentials are those of a previous configuration, until an exchange with the current one succeeds.
    #[serde(default)]
    pub(crate) stale: bool,
    /// The role that the configuration names, if the credentials are stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configured_role_arn: Option<String>,
    /// Region of the STS that issued the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sts_region: Option<String>,
    /// Regions whose STS failed before a fallback region issued the credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failed_sts_regions: Vec<String>,
    /// Whether the profile has credentials to serve.
    pub(crate) ready: bool,
    /// Expiry of the credentials, by STS's clock.
    pub(crate) expiry: Option<String>,
    /// Seconds until the credentials expire.
    pub(crate) remaining_seconds: Option<u64>,
    /// Seconds until the next refresh or, after a failure, until the next attempt.
    pub(crate) next_attempt_seconds: Option<u64>,
    /// Number of consecutive failed attempts.
    pub(crate) failed_attempts: u32,
    /// Error of the last attempt, or `None` after a success.
    pub(crate) last_error: Option<String>,
}

impl Status {
    /// Returns the status of the profiles that `is_visible` accepts.
    pub(crate) fn of(store: &Store, is_visible: impl Fn(&Profile) -> bool) -> Self {
        let now = store.now();
        let profiles = store.profiles();
        Self {
            profiles: profiles
                .iter()
                .filter(|profile| is_visible(profile))
                .map(|one| ProfileStatus::of(one, now))
                .collect(),
        }
    }
}

impl ProfileStatus {
    fn of(profile: &Profile, now: Moment) -> Self {
        let state = profile.state();
        let lease = state.lease.as_deref();
        let failure = state.failure.as_deref();
        // Credentials without an expiry have no window to show.
        let expiry = lease.and_then(|lease| lease.credentials.expiry());
        let window = lease.filter(|_| expiry.is_some()).map(|lease| lease.window);
        let configured = profile.role_arn();
        let role_arn = state.role_arn(configured);
        let text = |role_arn: &RoleArn| role_arn.as_str().to_owned();
        let receipt = lease.map(|lease| &lease.receipt);
        let region = |endpoint: &Endpoint| endpoint.region().to_owned();
        Self {
            name: profile.name().to_owned(),
            role_arn: role_arn.map(text),
            stale: state.is_stale,
            configured_role_arn: configured.filter(|_| state.is_stale).map(text),
            sts_region: receipt.and_then(|receipt| receipt.endpoint.as_ref()).map(region),
            failed_sts_regions: receipt.iter().flat_map(|one| &one.failed_endpoints).map(region).collect(),
            ready: profile.servable(now).is_some(),
            expiry: expiry.map(|expiry| expiry.to_string()),
            remaining_seconds: window.map(|window| window.remaining(now).as_secs()),
            next_attempt_seconds: state.until_attempt(now).map(|length| length.as_secs()),
            failed_attempts: failure.map_or(0, |failure| failure.attempts),
            last_error: failure.map(|failure| failure.error.to_string()),
        }
    }
}

/// Responds with the status of the profiles that the caller may see.
pub(crate) fn respond(store: &Store, caller: &Caller<'_>) -> Result<Response<Full<Bytes>>, Rejection> {
    if !caller.may_use(None) {
        return Err(Rejection::unauthorized());
    }
    let status = Status::of(store, |profile| caller.may_use(Some(profile.name())));
    // Strings and numbers always serialize.
    Ok(json(StatusCode::OK, serde_json::to_vec(&status).unwrap_or_default().into()))
}
