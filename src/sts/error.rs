//! What went wrong between credvend and STS, sorted by what the caller does about it.
//!
//! The codes are those of the action's reference pages, under both names that are in use: the wire's
//! (`InvalidIdentityToken`) and the documentation's (`InvalidIdentityTokenException`). STS throttles with status 400, so
//! it is the code that counts; the status only where there is none.

use std::time::SystemTime;

use super::Endpoint;

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
    /// Sorts the refusal.
    pub fn remedy(&self) -> Remedy {
        let code = self.code.strip_suffix("Exception").unwrap_or(&self.code);
        match code {
            "Throttling"
            | "Throttled"
            | "ThrottledRequest"
            | "RequestThrottled"
            | "RequestThrottling"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceeded"
            | "SlowDown"
            | "PriorRequestNotComplete"
            | "TransactionInProgress"
            | "EC2Throttled"
            | "ProvisionedThroughputExceeded" => Remedy::Wait,
            "IDPCommunicationError"
            | "RequestTimeout"
            | "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceFailure" => Remedy::Wait,
            // The identity provider's keys could not be fetched: an outage of it, or one fetch that took too long.
            "InvalidIdentityToken" if self.message.contains("Couldn't retrieve verification key") => Remedy::Wait,
            // The clock that signed was wrong; the answer's Date has set it right. The same text about the signature
            // itself is final, and so is this one where the date is not to blame.
            "SignatureDoesNotMatch" | "RequestExpired"
                if self.message.starts_with("Signature expired")
                    || self.message.starts_with("Signature not yet current") =>
            {
                Remedy::Wait
            }
            // Of the two expired tokens of STS the one with the suffix is the web identity's, the other the session's.
            "ExpiredToken" if self.code == "ExpiredTokenException" => Remedy::ReadTokenAgain,
            "ExpiredToken" => Remedy::RenewSource,
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
        let remedy = |status, code: &str, message: &str| {
            Refusal { status, code: code.into(), message: message.into(), request_id: None, date: None }.remedy()
        };
        for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError"] {
            assert_eq!(remedy(400, code, "Rate exceeded"), Remedy::Wait, "{code}");
        }
        let key = "Couldn't retrieve verification key from your identity provider,  please reference";
        assert_eq!(remedy(400, "InvalidIdentityToken", key), Remedy::Wait);
        assert_eq!(remedy(400, "InvalidIdentityToken", "Incorrect token audience"), Remedy::Mend);
        assert_eq!(remedy(400, "ExpiredTokenException", "Token expired"), Remedy::ReadTokenAgain);
        assert_eq!(remedy(403, "ExpiredToken", "The security token"), Remedy::RenewSource);
        assert_eq!(remedy(403, "AccessDenied", "Not authorized"), Remedy::Mend);
        assert_eq!(remedy(403, "SignatureDoesNotMatch", "Signature expired: 1 is now earlier"), Remedy::Wait);
        assert_eq!(remedy(403, "SignatureDoesNotMatch", "The request signature we calculated"), Remedy::Mend);
        assert_eq!(remedy(503, "Anything", ""), Remedy::Wait);
    }

    #[test]
    fn a_host_is_named_without_what_a_url_may_hide() {
        let endpoint = Endpoint { url: "https://user:word@sts.local:8443/path".into(), signing_region: String::new() };
        assert_eq!(host_of(&endpoint), "sts.local:8443");
    }
}
