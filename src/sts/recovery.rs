//! How the caller recovers from an error response of STS.

use super::{cause::Cause, refusal::Refusal};

/// The action that the caller takes after an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Retry later: STS throttles the request, or STS or the identity provider is unavailable.
    Retry,
    /// Read the token file again: the token has expired.
    ReloadToken,
    /// Renew the credentials that signed the call: they have expired or STS does not know them.
    RenewSource,
    /// No recovery: the request fails until the configuration changes in credvend or AWS.
    None,
}

impl Refusal {
    /// Returns how the caller recovers.
    pub(crate) fn recovery(&self) -> Recovery {
        match self.cause() {
            // The identity provider is unavailable or responded too slowly.
            Cause::KeysNotFetched => Recovery::Retry,
            // The signature used a wrong time; the `Date` header of the response has corrected `StsClock`.
            Cause::ClockWrong => Recovery::Retry,
            Cause::ProviderNotReached | Cause::Throttled | Cause::ServerError => Recovery::Retry,
            Cause::TokenExpired | Cause::TokenTooOld => Recovery::ReloadToken,
            // STS no longer knows the key if it was deleted or rotated, or if the role was deleted and created again.
            Cause::SessionExpired | Cause::KeyUnknown => Recovery::RenewSource,
            _ if self.status >= 500 || self.status == 429 => Recovery::Retry,
            _ => Recovery::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::Action;

    #[test]
    fn the_error_code_outranks_the_status() {
        let recovery =
            |status, code: &str, message: &str| refusal(Action::AssumeRole, status, code, message).recovery();
        for code in ["Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError"] {
            assert_eq!(recovery(400, code, "Rate exceeded"), Recovery::Retry, "{code}");
        }
        let key = "Couldn't retrieve verification key from your identity provider,  please reference";
        assert_eq!(recovery(400, "InvalidIdentityToken", key), Recovery::Retry);
        assert_eq!(recovery(400, "InvalidIdentityToken", "Incorrect token audience"), Recovery::None);
        assert_eq!(recovery(403, "AccessDenied", "Not authorized"), Recovery::None);
        assert_eq!(recovery(403, "SignatureDoesNotMatch", "Signature expired: 1 is now earlier"), Recovery::Retry);
        assert_eq!(recovery(403, "SignatureDoesNotMatch", "The request signature we calculated"), Recovery::None);
        assert_eq!(recovery(503, "Anything", ""), Recovery::Retry);
        assert_eq!(recovery(503, "AccessDenied", "a proxy's"), Recovery::Retry);
    }

    #[test]
    fn the_action_tells_which_token_has_expired() {
        for code in ["ExpiredToken", "ExpiredTokenException"] {
            let recovery = |action| refusal(action, 400, code, "expired").recovery();
            assert_eq!(recovery(Action::AssumeRoleWithWebIdentity), Recovery::ReloadToken, "{code}");
            assert_eq!(recovery(Action::AssumeRole), Recovery::RenewSource, "{code}");
        }
    }

    /// `recovery` and `cause` must agree on transient errors.
    #[test]
    fn retried_errors_have_a_transient_cause() {
        for code in ["Throttling", "RequestLimitExceeded", "SlowDown", "EC2ThrottledException"] {
            assert_eq!(refusal(Action::AssumeRole, 400, code, "").cause(), Cause::Throttled, "{code}");
        }
        for (status, code) in [(500, "InternalFailure"), (400, "RequestTimeout"), (502, "SomethingNew"), (503, "")] {
            assert_eq!(refusal(Action::AssumeRole, status, code, "").cause(), Cause::ServerError, "{status} {code}");
        }
        assert_eq!(refusal(Action::AssumeRole, 429, "SomethingNew", "").cause(), Cause::Throttled);
    }

    fn refusal(action: Action, status: u16, code: &str, message: &str) -> Refusal {
        Refusal {
            action,
            status,
            code: code.into(),
            message: message.into(),
            request_id: None,
            date: None,
            retry_after: None,
        }
    }
}
