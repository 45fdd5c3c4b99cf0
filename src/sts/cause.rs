//! What a refusal means: its code, and where that has several meanings its text, sorted by who mends what.
//!
//! Codes are matched under both names in use, the wire's (`InvalidIdentityToken`) and the documentation's
//! (`InvalidIdentityTokenException`); texts only where the code alone does not tell. AWS may word them anew, so an unknown
//! text falls back to the code's commonest meaning. STS throttles with status 400, so the status counts last.
//! [Errors of AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors),
//! [errors common to all actions](https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html).

use super::{Action, refusal::Refusal};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The role's account has no identity provider for the token's issuer.
    ProviderMissing,
    /// The identity provider does not list the token's audience.
    AudienceNotListed,
    /// The token names no audience.
    AudienceMissing,
    /// The issuer's keys could not be fetched.
    KeysNotFetched,
    /// The issuer's certificate is not the one whose thumbprint was registered.
    Thumbprint,
    /// The token is none, or not one of a cluster.
    NotAToken,
    /// The token had expired.
    TokenExpired,
    /// The token was issued too long ago.
    TokenTooOld,
    /// The identity provider rejected the token's claims.
    ClaimRejected,
    /// STS could not talk to the identity provider.
    ProviderNotReached,
    /// The trust policy does not let the token in, or there is no such role.
    TokenNotTrusted,
    /// The caller may not assume the role, or the role does not trust it, or there is no such role.
    CallerNotTrusted,
    /// Session tags may not be passed.
    TagsNotAllowed,
    /// A source identity may not be set.
    SourceIdentityNotAllowed,
    /// Something else is not allowed.
    Denied,
    /// The session policy is no policy.
    PolicyMalformed,
    /// Session policy and tags are too large together.
    PolicyTooLarge,
    /// The account has not activated STS in the region.
    RegionDisabled,
    /// The role allows no sessions of that length.
    LongerThanRoleAllows,
    /// A chained session lasts an hour at most.
    LongerThanChainAllows,
    /// The role's ARN is none.
    ArnInvalid,
    /// Some other parameter is refused.
    ParameterInvalid,
    /// The time of the signature is too far from STS's.
    ClockWrong,
    /// The signature is not the one that the key makes.
    SignatureWrong,
    /// The key that signed is not known.
    KeyUnknown,
    /// The credentials that signed had expired.
    SessionExpired,
    /// The account makes too many calls.
    Throttled,
    /// STS itself failed.
    OutOfOrder,
    /// None of these.
    Other,
}

impl Refusal {
    /// Returns the cause. A bare AccessDenied is attributed to the trust policy that the action depends on.
    pub(crate) fn specific_cause(&self) -> Cause {
        match self.cause() {
            Cause::Denied if self.action == Action::AssumeRoleWithWebIdentity => Cause::TokenNotTrusted,
            Cause::Denied => Cause::CallerNotTrusted,
            cause => cause,
        }
    }

    /// What it means.
    pub(crate) fn cause(&self) -> Cause {
        let says = |words: &str| self.message.contains(words);
        match self.code.strip_suffix("Exception").unwrap_or(&self.code) {
            "InvalidIdentityToken" if says("No OpenIDConnect provider") => Cause::ProviderMissing,
            "InvalidIdentityToken" if says("required claim: aud") => Cause::AudienceMissing,
            "InvalidIdentityToken" if says("audience") => Cause::AudienceNotListed,
            "InvalidIdentityToken" if says("verification key") => Cause::KeysNotFetched,
            "InvalidIdentityToken" if says("thumbprint") => Cause::Thumbprint,
            "InvalidIdentityToken" => Cause::NotAToken,
            // AWS tells the web identity's expired token from the session's by a suffix. What was asked is surer, for
            // whoever else speaks STS too: a call with a token has no signer, and one with a signer no token.
            "ExpiredToken" if self.action != Action::AssumeRoleWithWebIdentity => Cause::SessionExpired,
            "ExpiredToken" if says("too old") => Cause::TokenTooOld,
            "ExpiredToken" => Cause::TokenExpired,
            "IDPRejectedClaim" => Cause::ClaimRejected,
            "IDPCommunicationError" => Cause::ProviderNotReached,
            "AccessDenied" if says("sts:AssumeRoleWithWebIdentity") => Cause::TokenNotTrusted,
            "AccessDenied" if says("sts:TagSession") => Cause::TagsNotAllowed,
            "AccessDenied" if says("sts:SetSourceIdentity") => Cause::SourceIdentityNotAllowed,
            "AccessDenied" if says("sts:AssumeRole") => Cause::CallerNotTrusted,
            "AccessDenied" => Cause::Denied,
            "MalformedPolicyDocument" => Cause::PolicyMalformed,
            "PackedPolicyTooLarge" => Cause::PolicyTooLarge,
            "RegionDisabled" => Cause::RegionDisabled,
            "Validation" | "ValidationError" if says("role chaining") => Cause::LongerThanChainAllows,
            "Validation" | "ValidationError" if says("DurationSeconds") => Cause::LongerThanRoleAllows,
            "Validation" | "ValidationError" if says("ARN is invalid") => Cause::ArnInvalid,
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
                Cause::OutOfOrder
            }
            _ if self.status == 429 => Cause::Throttled,
            _ if self.status >= 500 => Cause::OutOfOrder,
            _ => Cause::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table_has_its_own_cause() {
        let mut seen = Vec::new();
        let by_token = Action::AssumeRoleWithWebIdentity;
        for (action, code, message) in [
            (by_token, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://issuer"),
            (by_token, "InvalidIdentityToken", "Missing a required claim: aud"),
            (by_token, "InvalidIdentityTokenException", "Incorrect token audience"),
            (
                by_token,
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider,  please",
            ),
            (
                by_token,
                "InvalidIdentityToken",
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
            ),
            (by_token, "InvalidIdentityToken", "The ID Token provided is not a valid JWT."),
            (
                by_token,
                "ExpiredTokenException",
                "Token expired: current date/time 2 must be before the expiration date/time 1",
            ),
            (by_token, "ExpiredTokenException", "Token too old"),
            (Action::AssumeRole, "ExpiredToken", "The security token included in the request is expired"),
            (by_token, "IDPRejectedClaim", ""),
            (by_token, "IDPCommunicationErrorException", ""),
            (by_token, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
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
            }
            .cause();
            assert!(!seen.contains(&cause), "{code} {message}: {cause:?}");
            seen.push(cause);
        }
    }
}
