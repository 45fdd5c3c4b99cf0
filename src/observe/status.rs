//! The state of every profile, for people and scripts: roles, expiries, the next refresh, the last error; never a secret.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use serde::{Deserialize, Serialize};

use crate::http::{authorization::Authorization, rejection::Rejection, server::json};
use crate::{
    clock::Moment,
    store::{Profile, Store},
};

/// Path of the status document.
pub(crate) const STATUS_PATH: &str = "/v1/status";

/// The document at `/v1/status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The profiles, the endpoint's default one first.
    pub(crate) profiles: Vec<ProfileStatus>,
}

/// One profile.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProfileStatus {
    /// Its name.
    pub(crate) name: String,
    /// The role that its credentials belong to.
    pub(crate) role_arn: Option<String>,
    /// Whether its credentials are served.
    pub(crate) ready: bool,
    /// When they expire, by STS's clock.
    pub(crate) expiry: Option<String>,
    /// How many seconds they have left.
    pub(crate) remaining_seconds: Option<u64>,
    /// In how many seconds they are fetched anew, or after a failure tried again.
    pub(crate) next_attempt_seconds: Option<u64>,
    /// Failed attempts in a row.
    pub(crate) failed_attempts: u32,
    /// Why the last attempt failed; absent after a success.
    pub(crate) last_error: Option<String>,
}

impl Status {
    /// The state of the profiles that `shown` picks.
    pub(crate) fn of(store: &Store, shown: impl Fn(&Profile) -> bool) -> Self {
        let now = store.now();
        let profiles = store.profiles();
        Self {
            profiles: profiles.iter().filter(|profile| shown(profile)).map(|one| ProfileStatus::of(one, now)).collect(),
        }
    }
}

impl ProfileStatus {
    fn of(profile: &Profile, now: Moment) -> Self {
        let state = profile.state();
        let lease = state.lease.as_deref();
        let failure = state.failure.as_deref();
        // What never expires has neither.
        let expiry = lease.and_then(|lease| lease.credentials.expiry());
        let window = lease.filter(|_| expiry.is_some()).map(|lease| lease.window);
        let next =
            failure.map(|failure| failure.until_retry(now)).or_else(|| window.map(|window| window.until_refresh(now)));
        Self {
            name: profile.name().to_owned(),
            role_arn: profile.role_arn().map(|role_arn| role_arn.as_str().to_owned()),
            ready: profile.servable(now).is_some(),
            expiry: expiry.map(|expiry| expiry.to_string()),
            remaining_seconds: window.map(|window| window.remaining(now).as_secs()),
            next_attempt_seconds: next.map(|length| length.as_secs()),
            failed_attempts: failure.map_or(0, |failure| failure.attempts),
            last_error: failure.map(|failure| failure.error.to_string()),
        }
    }
}

/// The state of the profiles that the request's token opens.
pub(crate) fn respond(
    request: &Request<Incoming>,
    store: &Store,
    authorization: &Authorization,
) -> Result<Response<Full<Bytes>>, Rejection> {
    let opened = |profile: Option<&str>| {
        authorization.allows(request.headers().get_all(header::AUTHORIZATION).iter(), profile, store.now())
    };
    if !opened(None) {
        return Err(Rejection::unauthorized());
    }
    let status = Status::of(store, |profile| opened(Some(profile.name())));
    // Strings and numbers always serialize.
    Ok(json(StatusCode::OK, serde_json::to_vec(&status).unwrap_or_default().into()))
}
