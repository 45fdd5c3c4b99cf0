//! Errors of STS calls, one variant for each way in which the caller proceeds.
//!
//! [`cause`](super::cause) interprets the error codes of STS.

use std::time::{Duration, SystemTime};

use super::{Endpoint, cause::Cause, recovery::Recovery, refusal::Refusal};
use crate::http::client::CallFailure;

/// Why an STS call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StsError {
    /// No complete response arrived. Retry later.
    #[error("STS at {host} was not reached: {reason}")]
    NotReached {
        /// Host and port, without user name and password.
        host: String,
        reason: String,
        /// What to do, if the reason tells it.
        help: Option<&'static str>,
    },
    /// The response does not match the request. Retry later.
    #[error("STS at {host} returned an invalid response: {reason}")]
    InvalidResponse {
        /// Host and port, without user name and password.
        host: String,
        reason: String,
        /// Whether the status of the response is 429.
        is_throttling: bool,
        /// The `Retry-After` header of the response.
        retry_after: Option<Duration>,
    },
    /// STS returned an error response. [`Refusal::recovery`] tells how to recover.
    #[error("{0}")]
    Refused(Refusal),
}

impl StsError {
    pub(crate) fn not_reached(endpoint: &Endpoint, reason: impl Into<String>) -> Self {
        Self::NotReached { host: host_of(endpoint), reason: reason.into(), help: None }
    }

    pub(super) fn failed(endpoint: &Endpoint, failure: CallFailure) -> Self {
        Self::NotReached { host: host_of(endpoint), reason: failure.reason, help: failure.help }
    }

    pub(super) fn invalid_response(endpoint: &Endpoint, reason: impl Into<String>) -> Self {
        let (host, reason) = (host_of(endpoint), reason.into());
        Self::InvalidResponse { host, reason, is_throttling: false, retry_after: None }
    }

    /// Returns the error of a response with an error status that is not an error document of STS.
    pub(super) fn not_from_sts(endpoint: &Endpoint, status: u16, retry_after: Option<Duration>) -> Self {
        let reason = format!("HTTP {status} without an STS error document, possibly from a proxy");
        Self::InvalidResponse { host: host_of(endpoint), reason, is_throttling: status == 429, retry_after }
    }

    /// Adds the proxy of the request, by host and port, unless STS answered.
    pub(super) fn through(mut self, proxy: &str) -> Self {
        if let Self::NotReached { reason, .. } | Self::InvalidResponse { reason, .. } = &mut self {
            reason.push_str(&format!(" (through the proxy {proxy})"));
        }
        self
    }

    /// Returns true if the failure is one of this STS, so that the STS of another region may serve the same request. A failure of the
    /// identity provider and a wrong signing time are not: the first is the same everywhere, and a response corrects the second.
    pub(crate) fn is_regional(&self) -> bool {
        match self {
            Self::NotReached { .. } | Self::InvalidResponse { .. } => true,
            Self::Refused(refusal) => {
                let is_elsewhere =
                    matches!(refusal.cause(), Cause::KeysNotFetched | Cause::ProviderNotReached | Cause::ClockWrong);
                refusal.recovery() == Recovery::Retry && !is_elsewhere
            }
        }
    }

    /// Returns true if STS is not activated in the region.
    pub(crate) fn is_region_disabled(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.cause() == Cause::RegionDisabled)
    }

    /// Returns true if there were too many calls.
    pub(crate) fn is_throttling(&self) -> bool {
        match self {
            Self::NotReached { .. } => false,
            Self::InvalidResponse { is_throttling, .. } => *is_throttling,
            Self::Refused(refusal) => refusal.cause() == Cause::Throttled,
        }
    }

    /// Returns the time from the response in which STS, or a proxy, wants no further call.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotReached { .. } => None,
            Self::InvalidResponse { retry_after, .. } | Self::Refused(Refusal { retry_after, .. }) => *retry_after,
        }
    }

    /// Returns the `Date` header of an error response.
    pub(super) fn date(&self) -> Option<SystemTime> {
        match self {
            Self::Refused(refusal) => refusal.date,
            _ => None,
        }
    }
}

/// Returns the host and port of an endpoint's URL, without user name and password.
fn host_of(endpoint: &Endpoint) -> String {
    let after_scheme = endpoint.url.split_once("://").map_or(&*endpoint.url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_excludes_user_name_and_password() {
        let endpoint = Endpoint { url: "https://user:word@sts.local:8443/path".into(), signing_region: String::new() };
        assert_eq!(host_of(&endpoint), "sts.local:8443");
    }
}
