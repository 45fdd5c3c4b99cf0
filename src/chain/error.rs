//! Errors of a chain. Each variant tells the caller how to proceed; each text tells a person how to fix the problem.

use std::{borrow::Cow, time::Duration};

use crate::{
    clock::Moment,
    plan::HopName,
    printable,
    schedule::window::{EXPIRY_MARGIN, Window},
    sts::{StsError, cause::Cause, recovery::Recovery},
    token::{Claims, TokenError},
};

/// The reason why a chain provides no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The web identity token is missing, unreadable, malformed or expired.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// STS refused the request. `recovery` says whether a retry can succeed without a change by a person.
    #[error("{hop}: {error}; {help}")]
    Refused { hop: HopName, error: StsError, help: Cow<'static, str>, recovery: Recovery },
    /// STS was not reached, sent no valid response, or reported a temporary failure. Retry later.
    #[error("{hop}: {error}; {help}")]
    Unavailable { hop: HopName, error: StsError, help: Cow<'static, str> },
    /// A base other than a token exchange provided no credentials.
    #[error("{hop}: {error}")]
    Base { hop: HopName, error: BaseError },
    /// The credentials were obtained, but they expire too soon to be served.
    #[error("{hop}: {}; {SHORT_LIVED_HELP}", too_short(*lifetime))]
    ShortLived { hop: HopName, lifetime: Duration },
}

const SHORT_LIVED_HELP: &str = "request longer sessions, and check the clocks of STS and of this node";

/// Returns the message about credentials that are valid for `lifetime`.
fn too_short(lifetime: Duration) -> String {
    let (valid, margin) = (lifetime.as_secs(), EXPIRY_MARGIN.as_secs());
    format!(
        "the credentials are valid for {valid} s, but credentials are not served in the last {margin} s of their lifetime"
    )
}

/// The reason why a base other than a token exchange provided no credentials.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}; {help}")]
pub(crate) struct BaseError {
    /// The failure, with the name of the base.
    pub(crate) what: String,
    /// Instructions for a person.
    pub(crate) help: &'static str,
    pub(crate) fault: BaseFault,
}

/// The kind of a base's failure. It determines the exit code and whether to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaseFault {
    /// The configuration is wrong: for example, it names a program or a CA bundle that does not exist.
    Configuration,
    /// The authorization token for the base is missing or malformed.
    Token,
    /// Another user may have planted the file of the authorization token.
    Planted,
    /// The base refused the request or returned no usable credentials, and a retry does not help.
    Refused,
    /// The base was not reached or reported a temporary failure. Retry later.
    Unavailable,
}

impl BaseFault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Token | Self::Planted => "token",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ProviderError {
    /// Returns the error of a hop whose credentials are never servable.
    pub(crate) fn short_lived(hop: HopName, window: &Window) -> Self {
        Self::ShortLived { hop, lifetime: window.lifetime() }
    }

    /// Classifies an error of the STS client at `hop`.
    pub(crate) fn at(hop: HopName, error: StsError) -> Self {
        let StsError::Refused(refusal) = &error else {
            let help = match &error {
                StsError::NotReached { help: Some(help), .. } => help,
                StsError::NotReached { .. } => {
                    "check DNS, egress rules, HTTPS_PROXY and NO_PROXY, AWS_REGION and AWS_ENDPOINT_URL_STS"
                }
                _ => "check AWS_ENDPOINT_URL_STS and any proxy in between",
            };
            return Self::Unavailable { hop, error, help: help.into() };
        };
        let cause = refusal.specific_cause();
        let help = help_for(cause).into();
        match refusal.recovery() {
            // Retried, but reported as a refusal: STS rejected the token because it could not fetch the issuer's keys.
            Recovery::Retry if cause != Cause::KeysNotFetched => Self::Unavailable { hop, error, help },
            recovery => Self::Refused { hop, error, help, recovery },
        }
    }

    /// Adds the claims of the refused token to the help, as far as they are the cause. `is_aws` tells whether the STS is that of AWS.
    pub(crate) fn about_token(mut self, claims: &Claims, is_aws: bool) -> Self {
        let Self::Refused { error: StsError::Refused(refusal), help, .. } = &mut self else { return self };
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { printable::short(text) };
        let audience = || or_none(&claims.audience.as_slice().join(", "));
        let issuer = || or_none(&claims.issuer);
        *help = match (refusal.specific_cause(), claims.issuer_problem(is_aws)) {
            (Cause::ProviderMissing | Cause::KeysNotFetched | Cause::ProviderNotReached, Some(problem)) => {
                format!("AWS cannot use this token's issuer {}: {problem}; run `credvend check`", issuer())
            }
            (Cause::ProviderMissing | Cause::KeysNotFetched | Cause::Thumbprint | Cause::ClaimRejected, None) => {
                format!("{help} (this token's issuer is {})", issuer())
            }
            (Cause::AudienceNotListed | Cause::AudienceMissing, _) => {
                format!("{help} (this token's audience is {})", audience())
            }
            (Cause::TokenNotTrusted, _) => {
                let subject = or_none(&claims.subject);
                format!("{help} (this token's sub is {subject}, its aud is {})", audience())
            }
            _ => return self,
        }
        .into();
        self
    }

    /// Adds a note to the help.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        if let Self::Refused { help, .. } | Self::Unavailable { help, .. } = &mut self {
            *help = format!("{help}; {note}").into();
        }
        self
    }

    /// Returns the metrics label: STS's error code as far as [`label`] allows it, or a fixed word.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Token(_) => "token",
            Self::Refused { error: StsError::Refused(refusal), .. }
            | Self::Unavailable { error: StsError::Refused(refusal), .. } => label(&refusal.code),
            Self::Refused { error, .. } | Self::Unavailable { error, .. } => match error {
                StsError::NotReached { .. } => "not_reached",
                _ => "invalid_response",
            },
            Self::Base { error, .. } => error.fault.as_str(),
            Self::ShortLived { .. } => "short_lived",
        }
    }

    /// Returns the kind of the error in one word, for applications that may not see more.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Base { error, .. } => error.fault.as_str(),
            Self::ShortLived { .. } => "short_lived",
        }
    }

    /// Returns the text without the help.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Token(error) => error.what(),
            Self::Refused { hop, error, .. } | Self::Unavailable { hop, error, .. } => format!("{hop}: {error}"),
            // A chain has one base, and the error names it.
            Self::Base { error, .. } => error.what.clone(),
            Self::ShortLived { hop, lifetime } => format!("{hop}: {}", too_short(*lifetime)),
        }
    }

    /// Returns the help: a short instruction for a person.
    pub(crate) fn help(&self) -> &str {
        match self {
            Self::Token(error) => error.help(),
            Self::Refused { help, .. } | Self::Unavailable { help, .. } => help,
            Self::Base { error, .. } => error.help,
            Self::ShortLived { .. } => SHORT_LIVED_HELP,
        }
    }

    /// Returns the hop and the error of the STS client, or `None` if the failure has another origin.
    pub(crate) fn at_sts(&self) -> Option<(&HopName, &StsError)> {
        match self {
            Self::Token(_) | Self::Base { .. } | Self::ShortLived { .. } => None,
            Self::Refused { hop, error, .. } | Self::Unavailable { hop, error, .. } => Some((hop, error)),
        }
    }

    /// Returns true if the same request can soon get another response, so that a one-shot command retries it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Token(_) => false,
            // `RenewSource` is absent: the attempt has already renewed the source and retried.
            Self::Refused { recovery, .. } => matches!(recovery, Recovery::Retry | Recovery::ReloadToken),
            Self::Unavailable { .. } => true,
            Self::Base { error, .. } => error.fault == BaseFault::Unavailable,
            Self::ShortLived { .. } => false,
        }
    }

    /// Returns true if STS or another base refused the request and the same request will be refused again.
    pub(crate) fn is_definite(&self) -> bool {
        match self {
            Self::Refused { recovery, .. } => *recovery != Recovery::Retry,
            Self::Base { error, .. } => error.fault == BaseFault::Refused,
            Self::Token(_) | Self::Unavailable { .. } | Self::ShortLived { .. } => false,
        }
    }
}

/// A failed attempt and the time of the next one.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: ProviderError,
    /// Number of consecutive failed attempts.
    pub(crate) attempts: u32,
    /// Time of the failure.
    pub(crate) at: Moment,
    /// Time from the failure to the next attempt.
    pub(crate) retry_after: Duration,
    /// Whether the last credentials of the hop must not be served any more: STS rejected them as expired, and then refused to
    /// renew them. Each alone can be an error of one endpoint.
    pub(crate) is_lease_void: bool,
}

impl Failure {
    /// Returns the time until the next attempt, or zero if it is due.
    pub(crate) fn until_retry(&self, now: Moment) -> Duration {
        self.retry_after.saturating_sub(now.since(self.at))
    }
}

/// Returns an error code as a metrics label. Text that is not an error code becomes `other`: each distinct label
/// creates a time series, and the response can come from any server.
fn label(code: &str) -> &str {
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.');
    if is_code { code } else { "other" }
}

/// Returns the short help for an error response, which goes on the same line as the error.
/// `credvend check` gives detailed help for the particular token and chain.
fn help_for(cause: Cause) -> &'static str {
    match cause {
        Cause::ProviderMissing => "create an IAM identity provider for the token's issuer in the role's account",
        Cause::AudienceNotListed | Cause::AudienceMissing => {
            "project the token with an audience that the IAM identity provider lists as a client ID (usually \
             sts.amazonaws.com)"
        }
        Cause::KeysNotFetched => "verify that AWS can fetch the issuer's discovery document and keys",
        Cause::Thumbprint => "update the thumbprint of the IAM identity provider",
        Cause::NotAToken => "verify that the file contains a projected service account token of this cluster",
        Cause::TokenExpired | Cause::TokenTooOld => {
            "verify that the kubelet renews the token (mount the directory, not a subPath) and that the node's clock \
             is correct"
        }
        Cause::SessionExpired => {
            "renew the credentials at the base of the chain: the credentials that signed the request had expired"
        }
        Cause::TokenNotTrusted => {
            "allow the token's sub and aud in the role's trust policy, and verify that the role exists"
        }
        Cause::TagsNotAllowed => {
            "allow sts:TagSession in this role's trust policy and in a policy of the previous hop, or remove the session tags"
        }
        Cause::SourceIdentityNotAllowed => {
            "allow sts:SetSourceIdentity in this role's trust policy and in a policy of the previous hop, or remove the \
             source identity"
        }
        Cause::CallerNotTrusted | Cause::Denied => {
            "allow the previous hop to call sts:AssumeRole on this role, name the previous hop in this role's trust \
             policy, and check the external ID"
        }
        Cause::PolicyMalformed => "correct the session policy",
        Cause::PolicyTooLarge => "shorten the session policy or pass fewer session tags",
        Cause::RegionDisabled => "activate STS in this region for the account, or set AWS_REGION to another region",
        Cause::LongerThanRoleAllows => "lower the duration, or raise the role's MaxSessionDuration",
        Cause::LongerThanChainAllows => "lower the duration to 1h, the maximum for role chaining",
        Cause::ArnInvalid | Cause::ParameterInvalid => "correct the parameter that STS names",
        Cause::ClockWrong | Cause::SignatureWrong | Cause::KeyUnknown => {
            "check the access keys at the base of the chain and the node's clock"
        }
        Cause::Throttled => "retry later: STS is throttling the requests of this account",
        Cause::ServerError => "retry later: STS had an internal error (if it persists, see the AWS Health Dashboard)",
        Cause::ProviderNotReached | Cause::ClaimRejected => "check the token's issuer (the identity provider)",
        Cause::Other => "look up the error code in the STS API reference, or run `credvend check`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::{Action, Refusal};

    #[test]
    fn text_that_is_not_an_error_code_becomes_other() {
        let long = "A".repeat(65);
        for (code, label) in [
            ("ThrottlingException", "ThrottlingException"),
            ("AWS.SimpleQueueService.Denied", "AWS.SimpleQueueService.Denied"),
            (&*long, "other"),
            (&long[..64], &long[..64]),
            ("", "other"),
            ("request 4711", "other"),
            ("a\"b", "other"),
            ("Zugriff-verweigert", "other"),
        ] {
            let refusal = Refusal {
                action: Action::AssumeRole,
                status: 400,
                code: code.to_owned(),
                message: String::new(),
                request_id: None,
                date: None,
                retry_after: None,
            };
            let error = ProviderError::at(HopName { number: 2, role_arn: None }, StsError::Refused(refusal));
            assert_eq!(error.code(), label, "{code}");
        }
    }
}
