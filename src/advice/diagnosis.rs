//! Diagnoses of STS errors for a particular token and chain: the cause, and the policy or command that fixes it.
//!
//! Input: the error response, the hop that received it, the chain, the token's claims and the clock difference.
//! Output: a [`Diagnosis`]. The module performs no I/O. [`crate::chain::error`] has a short form for log lines, without
//! claims and policies.
//! [Troubleshoot IAM roles](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html).

mod denied;
mod duration;
mod span;
mod web_identity;

pub(crate) use span::span;

use crate::{
    arn::RoleArn,
    plan::{ChainPlan, HopName},
    sts::{Refusal, cause::Cause},
    token::Claims,
};

/// The audience that IAM identity providers for clusters usually list.
pub(crate) const USUAL_AUDIENCE: &str = "sts.amazonaws.com";

/// The cause of an error and the steps to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: String,
    /// Steps to fix the problem. If there are several, one of them can be enough.
    pub(crate) help: Vec<String>,
}

impl Diagnosis {
    fn new(cause: impl Into<String>, help: impl Into<String>) -> Self {
        Self { cause: cause.into(), help: vec![help.into()] }
    }

    fn or(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// The circumstances of an error response.
#[derive(Clone, Copy)]
pub(crate) struct RefusalContext<'a> {
    pub(crate) chain: &'a ChainPlan,
    /// The hop that received the error response.
    pub(crate) hop: &'a HopName,
    /// Claims of the web identity token at the base of the chain, if there is one.
    pub(crate) claims: Option<&'a Claims>,
    /// Seconds by which this machine's clock is ahead of STS's, if known. Negative if it is behind.
    pub(crate) clock_difference: Option<i64>,
}

/// Returns a diagnosis, or `None` if there is nothing to add to the error response.
pub(crate) fn diagnose(refusal: &Refusal, context: RefusalContext<'_>) -> Option<Diagnosis> {
    let RefusalContext { chain, hop, claims, .. } = context;
    let session = chain.session(hop.number)?;
    let role_arn = &session.role_arn;
    // The commands are those of AWS.
    if !role_arn.is_aws() {
        return None;
    }
    let no_claims = Claims::default();
    let claims = claims.unwrap_or(&no_claims);
    let cause = refusal.specific_cause();
    Some(match cause {
        Cause::ProviderMissing
        | Cause::AudienceNotListed
        | Cause::AudienceMissing
        | Cause::KeysNotFetched
        | Cause::Thumbprint
        | Cause::NotAToken
        | Cause::TokenExpired
        | Cause::TokenTooOld
        | Cause::ClaimRejected
        | Cause::ProviderNotReached
        | Cause::TokenNotTrusted => web_identity::diagnose(cause, role_arn, claims, context),
        Cause::CallerNotTrusted | Cause::TagsNotAllowed | Cause::SourceIdentityNotAllowed => {
            denied::diagnose(cause, refusal, context)?
        }
        Cause::LongerThanRoleAllows | Cause::LongerThanChainAllows => duration::diagnose(cause, session),
        Cause::PolicyMalformed => Diagnosis::new(
            "the session policy is not a valid IAM policy",
            "correct --policy (credvend_policy in a profile): the policy must contain Version and Statement, each \
             statement must contain Effect, Action and Resource, and none may contain Principal",
        ),
        Cause::PolicyTooLarge => Diagnosis::new(
            "the session policy, policy ARNs and session tags together exceed the size limit for a session \
             (transitive tags of earlier hops count too)",
            "shorten --policy, use managed policies with --policy-arn instead, or pass fewer session tags with \
             --session-tag (`pod` adds four)",
        ),
        Cause::RegionDisabled => Diagnosis::new(
            format!(
                "STS is not activated in the region {} for account {}",
                session.endpoint.signing_region,
                role_arn.account_id()
            ),
            format!(
                "ask an administrator of account {} to activate STS in this region (IAM console, Account settings, \
                 Security Token Service; enable an opt-in region first with `aws account enable-region --region-name \
                 {}`), or set AWS_REGION to an active region",
                role_arn.account_id(),
                session.endpoint.signing_region
            ),
        ),
        Cause::ArnInvalid => Diagnosis::new(
            format!("STS does not accept {role_arn} as a role ARN of its partition"),
            format!(
                "copy the ARN from `aws iam get-role`, and verify that its partition ({}) is the partition of {}",
                role_arn.partition(),
                session.endpoint.url_without_secrets()
            ),
        ),
        Cause::ParameterInvalid => Diagnosis::new(
            "STS rejected one of the request parameters and names it in the error message",
            "correct the flag that sets the parameter (--role-session-name, --duration, --external-id, --policy-arn, \
             --session-tag, --transitive-tag, --source-identity), or the corresponding key in the profile",
        ),
        Cause::ClockWrong => Diagnosis::new(
            match context.clock_difference {
                Some(seconds) => format!("this machine's clock is {}", describe_clock_difference(seconds)),
                None => "this machine's clock differs from STS's".to_owned(),
            },
            "correct the node's clock (chronyc tracking, timedatectl): AWS rejects signatures that are more than 5 \
             minutes off",
        ),
        Cause::SignatureWrong => Diagnosis::new(
            format!(
                "the secret access key that signed the request does not belong to its access key ID ({}), or STS \
                 expects a signature for another region than {}",
                signer(chain, hop),
                session.endpoint.signing_region
            ),
            "correct aws_secret_access_key at the base of the chain, and set AWS_REGION to the region of the STS \
             endpoint",
        ),
        Cause::KeyUnknown => key_unknown(chain, hop, role_arn, &session.endpoint.signing_region),
        Cause::SessionExpired => Diagnosis::new(
            format!("the credentials that signed the request ({}) had expired", signer(chain, hop)),
            "renew the credentials at their source: credvend renews only credentials that it obtained itself",
        ),
        Cause::Throttled => Diagnosis::new(
            format!("account {} exceeds its request quota for STS", role_arn.account_id()),
            "try again later; if the error persists, find the most frequent callers in CloudTrail, and spread their \
             refreshes",
        ),
        Cause::ServerError => Diagnosis::new(
            format!("STS at {} had an internal error (this can be temporary)", session.endpoint.url_without_secrets()),
            "try again later; if the error persists, see the AWS Health Dashboard, or set AWS_REGION to another region",
        ),
        Cause::Denied | Cause::Other => return None,
    })
}

/// Returns a diagnosis if the chain leads from a role to a role in another partition. STS refuses this, regardless of
/// policies.
pub(crate) fn foreign_partition(chain: &ChainPlan) -> Option<Diagnosis> {
    let names = chain.hop_names();
    let mut pairs = names.iter().zip(names.iter().skip(1));
    pairs.find_map(|(before, after)| {
        let (source, target) = (before.role_arn.as_ref()?, after.role_arn.as_ref()?);
        let are_aws = source.is_aws() && target.is_aws();
        (are_aws && source.partition() != target.partition()).then(|| {
            Diagnosis::new(
                format!(
                    "{after} is in the partition {}, but {before} is in {}: a role cannot assume a role in another \
                     partition",
                    target.partition(),
                    source.partition()
                ),
                "correct the ARN, or start a separate chain in that partition, with an IAM identity provider there",
            )
        })
    })
}

/// Describes the credentials that sign a hop's request.
fn signer(chain: &ChainPlan, hop: &HopName) -> String {
    match caller(chain, hop) {
        Some(role_arn) => format!("credentials of {role_arn}"),
        None => format!("{} credentials at the base of the chain", chain.base.kind()),
    }
}

/// Returns the role of the previous hop, or `None` if that hop assumes no role.
fn caller<'a>(chain: &'a ChainPlan, hop: &HopName) -> Option<&'a RoleArn> {
    chain.session(hop.number.checked_sub(1)?).map(|session| &session.role_arn)
}

fn key_unknown(chain: &ChainPlan, hop: &HopName, role_arn: &RoleArn, region: &str) -> Diagnosis {
    match caller(chain, hop) {
        None => Diagnosis::new(
            format!(
                "STS does not know the access key at the base of the chain ({}): the key was deleted or deactivated, \
                 its session token is missing, or it belongs to another partition than {}",
                chain.base.kind(),
                role_arn.partition()
            ),
            "list the keys of the user with `aws iam list-access-keys`, and configure an active key in the profile",
        ),
        Some(caller) => Diagnosis::new(
            format!(
                "STS in {region} does not know the credentials of {caller}: session tokens of the global endpoint \
                 are not valid in opt-in regions or in another partition"
            ),
            format!(
                "use the regional endpoint for every hop (AWS_REGION={region}, AWS_STS_REGIONAL_ENDPOINTS=regional), \
                 or run in account {}: aws iam set-security-token-service-preferences \
                 --global-endpoint-token-version v2Token",
                caller.account_id()
            ),
        ),
    }
}

/// Describes a clock difference in seconds: `2 h 3 min ahead of STS's`.
pub(crate) fn describe_clock_difference(seconds: i64) -> String {
    let length = span(std::time::Duration::from_secs(seconds.unsigned_abs()));
    format!("{length} {} STS's", if seconds < 0 { "behind" } else { "ahead of" })
}
