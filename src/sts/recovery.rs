//! How a caller recovers from an error response of STS.

use super::{cause::Cause, refusal::Refusal};

/// What a caller does about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Retry later: STS or the identity provider is unavailable or throttles.
    Retry,
    /// Read the token file again: the token has expired.
    ReloadToken,
    /// Renew the credentials that signed the call: they have expired.
    RenewSource,
    /// None: the same request gets the same response until a person changes something.
    None,
}

impl Refusal {
    /// What the caller does about it: the one thing that its cause admits.
    pub(crate) fn recovery(&self) -> Recovery {
        match self.cause() {
            // The identity provider's keys could not be fetched: an outage of it, or one fetch that took too long.
            Cause::KeysNotFetched => Recovery::Retry,
            // The clock that signed was wrong; the answer's Date has set it right.
            Cause::ClockWrong => Recovery::Retry,
            Cause::ProviderNotReached | Cause::Throttled | Cause::OutOfOrder => Recovery::Retry,
            Cause::TokenExpired | Cause::TokenTooOld => Recovery::ReloadToken,
            Cause::SessionExpired => Recovery::RenewSource,
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
    fn refusals_are_sorted_by_code_not_by_status() {
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
    fn an_expired_token_is_the_one_that_the_call_was_made_with() {
        for code in ["ExpiredToken", "ExpiredTokenException"] {
            let recovery = |action| refusal(action, 400, code, "expired").recovery();
            assert_eq!(recovery(Action::AssumeRoleWithWebIdentity), Recovery::ReloadToken, "{code}");
            assert_eq!(recovery(Action::AssumeRole), Recovery::RenewSource, "{code}");
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
}
