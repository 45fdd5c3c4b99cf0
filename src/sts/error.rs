//! What went wrong between credvend and STS, sorted by what the caller does about it.
//!
//! What a refusal's code means is decided in one place, [`cause`](super::cause); here, what follows from it.

use std::time::SystemTime;

use super::{Action, Endpoint, cause::Cause};

/// Why a call brought no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StsError {
    /// No answer came. Try again later.
    #[error("STS at {host} was not reached: {why}")]
    NotReached {
        /// Host and port.
        host: String,
        /// The cause.
        why: String,
    },
    /// What came is no answer to the question. Try again later.
    #[error("STS at {host} gave no valid answer: {why}")]
    NotAnAnswer {
        /// Host and port.
        host: String,
        /// What came instead.
        why: String,
    },
    /// STS answered with an error. [`Refusal::remedy`] says what to do.
    #[error("{0}")]
    Refused(Refusal),
}

/// An error document of STS.
#[derive(Clone, Debug, thiserror::Error)]
#[error("STS answered {code}: {message} (HTTP {status}, request ID {})", request_id.as_deref().unwrap_or("none"))]
pub struct Refusal {
    /// What was asked.
    pub action: Action,
    /// The HTTP status.
    pub status: u16,
    /// The error's code, as on the wire.
    pub code: String,
    /// The error's text, without anything secret.
    pub message: String,
    /// STS's name for the call, for AWS's support and CloudTrail.
    pub request_id: Option<String>,
    /// When STS answered, by its own clock.
    pub date: Option<SystemTime>,
}

/// What a caller does about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Wait and ask again: STS or the identity provider is busy or out of order.
    Wait,
    /// Read the token again: this one had expired.
    ReadTokenAgain,
    /// Fetch the credentials that signed the call anew: they had expired.
    RenewSource,
    /// Ask a person: the same question gets the same answer.
    Mend,
}

impl Refusal {
    /// What the caller does about it: the one thing that its cause admits.
    pub fn remedy(&self) -> Remedy {
        match self.cause() {
            // The identity provider's keys could not be fetched: an outage of it, or one fetch that took too long.
            Cause::KeysNotFetched => Remedy::Wait,
            // The clock that signed was wrong; the answer's Date has set it right.
            Cause::ClockWrong => Remedy::Wait,
            Cause::ProviderNotReached | Cause::Throttled | Cause::OutOfOrder => Remedy::Wait,
            Cause::TokenExpired | Cause::TokenTooOld => Remedy::ReadTokenAgain,
            Cause::SessionExpired => Remedy::RenewSource,
            _ if self.status >= 500 || self.status == 429 => Remedy::Wait,
            _ => Remedy::Mend,
        }
    }
}

impl StsError {
    pub(super) fn not_reached(endpoint: &Endpoint, why: impl Into<String>) -> Self {
        Self::NotReached { host: host_of(endpoint), why: why.into() }
    }

    pub(super) fn not_an_answer(endpoint: &Endpoint, why: impl Into<String>) -> Self {
        Self::NotAnAnswer { host: host_of(endpoint), why: why.into() }
    }

    pub(super) fn date(&self) -> Option<SystemTime> {
        match self {
            Self::Refused(refusal) => refusal.date,
            _ => None,
        }
    }
}

/// Host and port of an endpoint: without a user's name or password that a URL may hold.
fn host_of(endpoint: &Endpoint) -> String {
    let after_scheme = endpoint.url.split_once("://").map_or(&*endpoint.url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sorted_by_code_not_by_status() {
        let remedy = |status, code: &str, message: &str| refusal(Action::AssumeRole, status, code, message).remedy();
        for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError"] {
            assert_eq!(remedy(400, code, "Rate exceeded"), Remedy::Wait, "{code}");
        }
        let key = "Couldn't retrieve verification key from your identity provider,  please reference";
        assert_eq!(remedy(400, "InvalidIdentityToken", key), Remedy::Wait);
        assert_eq!(remedy(400, "InvalidIdentityToken", "Incorrect token audience"), Remedy::Mend);
        assert_eq!(remedy(403, "AccessDenied", "Not authorized"), Remedy::Mend);
        assert_eq!(remedy(403, "SignatureDoesNotMatch", "Signature expired: 1 is now earlier"), Remedy::Wait);
        assert_eq!(remedy(403, "SignatureDoesNotMatch", "The request signature we calculated"), Remedy::Mend);
        assert_eq!(remedy(503, "Anything", ""), Remedy::Wait);
        assert_eq!(remedy(503, "AccessDenied", "a proxy's"), Remedy::Wait);
    }

    #[test]
    fn an_expired_token_is_the_one_that_the_call_was_made_with() {
        for code in ["ExpiredToken", "ExpiredTokenException"] {
            let remedy = |action| refusal(action, 400, code, "expired").remedy();
            assert_eq!(remedy(Action::AssumeRoleWithWebIdentity), Remedy::ReadTokenAgain, "{code}");
            assert_eq!(remedy(Action::AssumeRole), Remedy::RenewSource, "{code}");
        }
    }

    /// What the two sorters must not disagree on.
    #[test]
    fn whatever_is_waited_for_has_a_cause() {
        for code in ["Throttling", "RequestLimitExceeded", "SlowDown", "EC2ThrottledException"] {
            assert_eq!(refusal(Action::AssumeRole, 400, code, "").cause(), Cause::Throttled, "{code}");
        }
        for (status, code) in [(500, "InternalFailure"), (400, "RequestTimeout"), (502, "SomethingNew"), (503, "")] {
            assert_eq!(refusal(Action::AssumeRole, status, code, "").cause(), Cause::OutOfOrder, "{status} {code}");
        }
        assert_eq!(refusal(Action::AssumeRole, 429, "SomethingNew", "").cause(), Cause::Throttled);
    }

    fn refusal(action: Action, status: u16, code: &str, message: &str) -> Refusal {
        Refusal { action, status, code: code.into(), message: message.into(), request_id: None, date: None }
    }

    #[test]
    fn a_host_is_named_without_what_a_url_may_hide() {
        let endpoint = Endpoint { url: "https://user:word@sts.local:8443/path".into(), signing_region: String::new() };
        assert_eq!(host_of(&endpoint), "sts.local:8443");
    }
}
