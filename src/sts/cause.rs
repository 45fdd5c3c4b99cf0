//! Determines the cause of an STS error response from its code and, if the code is ambiguous, from its message.
//!
//! A code matches with and without the suffix `Exception`: responses contain `InvalidIdentityToken`, the documentation
//! lists `InvalidIdentityTokenException`. AWS may change its messages, so an unknown message maps to the most common
//! cause of its code. STS throttles with status 400, so the status is considered last.
//!
//! [Errors of AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors),
//! [errors common to all actions](https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html).

use super::{Action, refusal::Refusal};

/// The cause of an STS error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The role's account has no IAM identity provider for the token's issuer.
    ProviderMissing,
    /// The token's audience is not a client ID of the identity provider.
    AudienceNotListed,
    /// The token has no audience.
    AudienceMissing,
    /// STS could not fetch the issuer's verification keys.
    KeysNotFetched,
    /// The issuer's certificate does not match the thumbprint of the identity provider.
    Thumbprint,
    /// STS does not accept the token as a valid JWT.
    NotAToken,
    /// The web identity token has expired.
    TokenExpired,
    /// The web identity token was issued too long ago.
    TokenTooOld,
    /// The identity provider rejected the token's claims.
    ClaimRejected,
    /// STS could not reach the identity provider.
    ProviderNotReached,
    /// The role's trust policy does not allow the token, or the role does not exist.
    TokenNotTrusted,
    /// The caller is not allowed to assume the role, the role does not trust the caller, or the role does not exist.
    CallerNotTrusted,
    /// The caller is not allowed to pass session tags.
    TagsNotAllowed,
    /// The caller is not allowed to set a source identity.
    SourceIdentityNotAllowed,
    /// Access is denied, and the message names none of the above actions.
    Denied,
    /// The session policy is not a valid policy document.
    PolicyMalformed,
    /// The session policies and tags exceed the packed size limit.
    PolicyTooLarge,
    /// STS is not activated in the region for the account.
    RegionDisabled,
    /// The requested duration exceeds the role's maximum session duration.
    LongerThanRoleAllows,
    /// The requested duration exceeds one hour, the limit for role chaining.
    LongerThanChainAllows,
    /// The role ARN is invalid.
    ArnInvalid,
    /// Another parameter is invalid.
    ParameterInvalid,
    /// The time of the signature differs too much from STS's clock.
    ClockWrong,
    /// The signature does not match the one that STS calculated.
    SignatureWrong,
    /// STS does not know the access key that signed the request.
    KeyUnknown,
    /// The credentials that signed the request have expired.
    SessionExpired,
    /// STS throttles the request.
    Throttled,
    /// STS failed or is unavailable.
    ServerError,
    /// Any other cause.
    Other,
}

impl Refusal {
    /// Returns the cause. `Cause::Denied` becomes `TokenNotTrusted` or `CallerNotTrusted`, depending on the action.
    pub(crate) fn specific_cause(&self) -> Cause {
        match self.cause() {
            Cause::Denied if self.action == Action::AssumeRoleWithWebIdentity => Cause::TokenNotTrusted,
            Cause::Denied => Cause::CallerNotTrusted,
            cause => cause,
        }
    }

    /// Returns the cause that the code and message name.
    pub(super) fn cause(&self) -> Cause {
        let message_contains = |fragment: &str| self.message.contains(fragment);
        match self.code.strip_suffix("Exception").unwrap_or(&self.code) {
            "InvalidIdentityToken" if message_contains("No OpenIDConnect provider") => Cause::ProviderMissing,
            "InvalidIdentityToken" if message_contains("required claim: aud") => Cause::AudienceMissing,
            "InvalidIdentityToken" if message_contains("audience") => Cause::AudienceNotListed,
            "InvalidIdentityToken" if message_contains("verification key") => Cause::KeysNotFetched,
            "InvalidIdentityToken" if message_contains("thumbprint") => Cause::Thumbprint,
            "InvalidIdentityToken" => Cause::NotAToken,
            // AWS returns `ExpiredTokenException` for a web identity token and `ExpiredToken` for a session token. Other
            // STS implementations may not. The action is more reliable: a request has either a web identity token or a
            // signer.
            "ExpiredToken" if self.action != Action::AssumeRoleWithWebIdentity => Cause::SessionExpired,
            "ExpiredToken" if message_contains("too old") => Cause::TokenTooOld,
            "ExpiredToken" => Cause::TokenExpired,
            "IDPRejectedClaim" => Cause::ClaimRejected,
            "IDPCommunicationError" => Cause::ProviderNotReached,
            "AccessDenied" if message_contains("sts:AssumeRoleWithWebIdentity") => Cause::TokenNotTrusted,
            "AccessDenied" if message_contains("sts:TagSession") => Cause::TagsNotAllowed,
            "AccessDenied" if message_contains("sts:SetSourceIdentity") => Cause::SourceIdentityNotAllowed,
            "AccessDenied" if message_contains("sts:AssumeRole") => Cause::CallerNotTrusted,
            "AccessDenied" => Cause::Denied,
            "MalformedPolicyDocument" => Cause::PolicyMalformed,
            "PackedPolicyTooLarge" => Cause::PolicyTooLarge,
            "RegionDisabled" => Cause::RegionDisabled,
            "Validation" | "ValidationError" if message_contains("role chaining") => Cause::LongerThanChainAllows,
            "Validation" | "ValidationError" if message_contains("DurationSeconds") => Cause::LongerThanRoleAllows,
            "Validation" | "ValidationError" if message_contains("ARN is invalid") => Cause::ArnInvalid,
            "Validation" | "ValidationError" | "InvalidParameterValue" => Cause::ParameterInvalid,
            "SignatureDoesNotMatch" | "RequestExpired"
                if self.message.starts_with("Signature expired")
                    || self.message.starts_with("Signature not yet current") =>
            {
                Cause::ClockWrong
            }
            "SignatureDoesNotMatch" => Cause::SignatureWrong,
            "InvalidClientTokenId" | "UnrecognizedClient" => Cause::KeyUnknown,
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
            | "ProvisionedThroughputExceeded" => Cause::Throttled,
            "RequestTimeout" | "InternalFailure" | "InternalError" | "ServiceUnavailable" | "ServiceFailure" => {
                Cause::ServerError
            }
            _ if self.status == 429 => Cause::Throttled,
            _ if self.status >= 500 => Cause::ServerError,
            _ => Cause::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_response_has_a_distinct_cause() {
        let mut seen = Vec::new();
        let web_identity = Action::AssumeRoleWithWebIdentity;
        for (action, code, message) in [
            (
                web_identity,
                "InvalidIdentityToken",
                "No OpenIDConnect provider found in your account for https://issuer",
            ),
            (web_identity, "InvalidIdentityToken", "Missing a required claim: aud"),
            (web_identity, "InvalidIdentityTokenException", "Incorrect token audience"),
            (
                web_identity,
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider,  please",
            ),
            (
                web_identity,
                "InvalidIdentityToken",
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
            ),
            (web_identity, "InvalidIdentityToken", "The ID Token provided is not a valid JWT."),
            (
                web_identity,
                "ExpiredTokenException",
                "Token expired: current date/time 2 must be before the expiration date/time 1",
            ),
            (web_identity, "ExpiredTokenException", "Token too old"),
            (Action::AssumeRole, "ExpiredToken", "The security token included in the request is expired"),
            (web_identity, "IDPRejectedClaim", ""),
            (web_identity, "IDPCommunicationErrorException", ""),
            (web_identity, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            (Action::AssumeRole, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole on resource: y"),
            (Action::AssumeRole, "AccessDenied", "User: x is not authorized to perform: sts:TagSession on resource: y"),
            (
                Action::AssumeRole,
                "AccessDenied",
                "User: x is not authorized to perform: sts:SetSourceIdentity on resource: y",
            ),
            (Action::AssumeRole, "AccessDeniedException", "no"),
            (Action::AssumeRole, "MalformedPolicyDocument", ""),
            (Action::AssumeRole, "PackedPolicyTooLarge", ""),
            (Action::AssumeRole, "RegionDisabledException", ""),
            (
                Action::AssumeRole,
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ),
            (
                Action::AssumeRole,
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ),
            (Action::AssumeRole, "ValidationError", "Request ARN is invalid"),
            (
                Action::AssumeRole,
                "ValidationError",
                "1 validation error detected: Value 'a:b' at 'roleSessionName' failed",
            ),
            (Action::AssumeRole, "SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2"),
            (Action::AssumeRole, "SignatureDoesNotMatch", "The request signature we calculated does not match"),
            (Action::AssumeRole, "InvalidClientTokenId", "The security token included in the request is invalid."),
            (Action::AssumeRole, "Throttling", "Rate exceeded"),
            (Action::AssumeRole, "ServiceUnavailable", ""),
            (Action::AssumeRole, "SomethingNew", ""),
        ] {
            let cause = Refusal {
                action,
                status: 400,
                code: code.into(),
                message: message.into(),
                request_id: None,
                date: None,
                retry_after: None,
            }
            .cause();
            assert!(!seen.contains(&cause), "{code} {message}: {cause:?}");
            seen.push(cause);
        }
    }
}
