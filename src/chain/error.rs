//! Errors of a chain. Each variant tells the caller what to do, and who can fix it.

use std::time::Duration;

use crate::{
    clock::Moment,
    plan::HopName,
    sts::{StsError, cause::Cause, recovery::Recovery},
    token::TokenError,
};

/// Why there are no credentials. Each variant has an exit code of its own and another person who mends it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The web identity token: whoever mounts it.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// STS said no: whoever writes the policies.
    #[error("{hop}: {error}; {help}")]
    Refused {
        /// Where.
        hop: HopName,
        /// What STS said.
        error: StsError,
        /// What to do about it.
        help: &'static str,
        /// What a caller does about it.
        recovery: Recovery,
    },
    /// STS could not say anything: whoever runs the network, or nobody.
    #[error("{hop}: {error}; {help}")]
    Unavailable {
        /// Where.
        hop: HopName,
        /// What happened.
        error: StsError,
        /// What to do about it.
        help: &'static str,
    },
    /// A base other than STS gave nothing: whoever runs it.
    #[error("{hop}: {error}")]
    Base {
        /// Where.
        hop: HopName,
        /// What happened.
        error: BaseError,
    },
}

/// Why a base that is not STS gave no credentials.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}; {help}")]
pub(crate) struct BaseError {
    /// What failed, and where.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) help: &'static str,
    /// Who does it.
    pub(crate) fault: BaseFault,
}

/// Who mends a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaseFault {
    /// Whoever wrote the configuration: it names what is not there.
    Configuration,
    /// Whoever mounts the authorization token.
    Token,
    /// Whoever runs the base: it said no, or gave what is no credentials, and will again.
    Refused,
    /// Whoever runs the network, or nobody: another attempt may do.
    Unavailable,
}

impl ProviderError {
    /// Sorts what STS's client met at `hop`.
    pub(crate) fn at(hop: HopName, error: StsError) -> Self {
        let StsError::Refused(refusal) = &error else {
            let help = match &error {
                StsError::NotReached { .. } => {
                    "check DNS, egress rules, HTTPS_PROXY and NO_PROXY, AWS_REGION and AWS_ENDPOINT_URL_STS"
                }
                _ => "check AWS_ENDPOINT_URL_STS and the proxies on the way",
            };
            return Self::Unavailable { hop, error, help };
        };
        let cause = refusal.specific_cause();
        let help = help_for(cause);
        match refusal.recovery() {
            // An identity provider's missing keys are STS's answer, however often it is asked.
            Recovery::Retry if cause != Cause::KeysNotFetched => Self::Unavailable { hop, error, help },
            recovery => Self::Refused { hop, error, help, recovery },
        }
    }

    /// A word for it in metrics: STS's error code, or whose fault it is. Few words, whatever an answer holds.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Token(_) => "token",
            Self::Refused { error: StsError::Refused(refusal), .. }
            | Self::Unavailable { error: StsError::Refused(refusal), .. } => label(&refusal.code),
            Self::Refused { error, .. } | Self::Unavailable { error, .. } => match error {
                StsError::NotReached { .. } => "not_reached",
                _ => "not_an_answer",
            },
            Self::Base { error, .. } => match error.fault {
                BaseFault::Configuration => "configuration",
                BaseFault::Token => "token",
                BaseFault::Refused => "refused",
                BaseFault::Unavailable => "unavailable",
            },
        }
    }

    /// What went wrong, without what to do about it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Token(error) => error.what(),
            Self::Refused { hop, error, .. } | Self::Unavailable { hop, error, .. } => format!("{hop}: {error}"),
            // There is but one base, and it is named.
            Self::Base { error, .. } => error.what.clone(),
        }
    }

    /// What to do about it, in short.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::Token(error) => error.help(),
            Self::Refused { help, .. } | Self::Unavailable { help, .. } => help,
            Self::Base { error, .. } => error.help,
        }
    }

    /// Where and how STS's client failed, where it was it that did.
    pub(crate) fn at_sts(&self) -> Option<(&HopName, &StsError)> {
        match self {
            Self::Token(_) | Self::Base { .. } => None,
            Self::Refused { hop, error, .. } | Self::Unavailable { hop, error, .. } => Some((hop, error)),
        }
    }

    /// Whether the same question may get another answer soon, so that a one-shot asks again.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Token(_) => false,
            // A source that had expired was renewed within the attempt.
            Self::Refused { recovery, .. } => matches!(recovery, Recovery::Retry | Recovery::ReloadToken),
            Self::Unavailable { .. } => true,
            Self::Base { error, .. } => error.fault == BaseFault::Unavailable,
        }
    }
}

/// A failed attempt, and when the next one follows.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) error: ProviderError,
    /// How often in a row.
    pub(crate) attempts: u32,
    /// When it failed.
    pub(crate) at: Moment,
    /// How long after that the next attempt is made.
    pub(crate) retry_after: Duration,
}

impl Failure {
    /// How long until the next attempt; zero where it is due.
    pub(crate) fn until_retry(&self, now: Moment) -> Duration {
        self.retry_after.saturating_sub(now.since(self.at))
    }
}

/// An error code as metrics show it. Each other text would be a series of its own, and the answer may be anybody's.
fn label(code: &str) -> &str {
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.');
    if is_code { code } else { "other" }
}

/// What to do about an error document: a clause for its line; `check` explains more, for the token and chain at hand.
fn help_for(cause: Cause) -> &'static str {
    match cause {
        Cause::ProviderMissing => "create an IAM OIDC provider for the token's issuer in the role's account",
        Cause::AudienceNotListed | Cause::AudienceMissing => {
            "project the token with an audience that is among the OIDC provider's client IDs (sts.amazonaws.com)"
        }
        Cause::KeysNotFetched => "see that the issuer's discovery document and keys can be fetched by AWS",
        Cause::Thumbprint => "update the OIDC provider's thumbprint",
        Cause::NotAToken => "see that the file holds a projected service account token of this cluster",
        Cause::TokenExpired | Cause::TokenTooOld => {
            "see that the kubelet renews the token (no subPath mount) and that the clocks agree"
        }
        Cause::SessionExpired => "the credentials that signed the call had expired: renew the base of the chain",
        Cause::TokenNotTrusted => {
            "let the role's trust policy allow this token's sub and aud, and see that the role exists"
        }
        Cause::TagsNotAllowed => "allow sts:TagSession in this role's trust policy",
        Cause::SourceIdentityNotAllowed => "allow sts:SetSourceIdentity in this role's trust policy",
        Cause::CallerNotTrusted | Cause::Denied => {
            "let the hop before call sts:AssumeRole on this role, let this role's trust policy name the one before, and check the external ID"
        }
        Cause::PolicyMalformed => "correct the session policy",
        Cause::PolicyTooLarge => "shorten the session policy, or pass fewer session tags",
        Cause::RegionDisabled => "activate STS in this region for the account, or set AWS_REGION to another",
        Cause::LongerThanRoleAllows => "lower the duration, or raise the role's MaxSessionDuration",
        Cause::LongerThanChainAllows => "lower the duration to 1h, the longest session of a role that a role assumes",
        Cause::ArnInvalid | Cause::ParameterInvalid => "correct the parameter that STS names",
        Cause::ClockWrong | Cause::SignatureWrong | Cause::KeyUnknown => {
            "check the keys at the base of the chain, and the node's clock"
        }
        Cause::Throttled => "STS limits the account's calls: it is asked again more slowly",
        Cause::OutOfOrder => "STS itself failed: it is asked again; where it lasts, see the AWS Health Dashboard",
        Cause::ProviderNotReached | Cause::ClaimRejected => "check the identity provider",
        Cause::Other => "look the code up in the STS API reference, or run `credvend check`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::{Action, Refusal};

    #[test]
    fn only_what_looks_like_a_code_becomes_a_label() {
        let long = "A".repeat(65);
        for (code, shown) in [
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
            };
            let error = ProviderError::at(HopName { number: 2, role_arn: None }, StsError::Refused(refusal));
            assert_eq!(error.code(), shown, "{code}");
        }
    }
}
