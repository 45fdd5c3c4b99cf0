//! Why STS refused, for this token and this chain, and what mends it: a cause and a command or a policy. Pure.
//!
//! Input: the refusal, the hop that met it, the chain, the token's claims and how far this machine's clock is off. Output: two
//! clauses for a person. [`crate::chain::error`] says the same in short, for a log line, without claims and policies.
//! [Troubleshooting roles](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html).

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

/// What is wrong and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Why STS refused.
    pub(crate) cause: String,
    /// What mends it: one step, or several where it is not known which is missing.
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

/// Where a refusal was met.
#[derive(Clone, Copy)]
pub(crate) struct RefusalContext<'a> {
    /// The chain.
    pub(crate) chain: &'a ChainPlan,
    /// Its hop that was refused.
    pub(crate) hop: &'a HopName,
    /// What the token at its base says of itself, where there is one.
    pub(crate) claims: Option<&'a Claims>,
    /// By how many seconds this machine's clock is ahead of STS's, where that is known.
    pub(crate) clock_difference: Option<i64>,
}

/// Why STS refused, and what to do. `None` where no more is known than what STS says itself.
pub(crate) fn diagnose(refusal: &Refusal, context: RefusalContext<'_>) -> Option<Diagnosis> {
    let RefusalContext { chain, hop, claims, .. } = context;
    let session = chain.session(hop.number)?;
    let role_arn = &session.role_arn;
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
            "the session policy that is passed is no policy to IAM",
            "correct --policy (credvend_policy in a profile): it must hold a Version, and Statements with Effect, Action \
             and Resource, and no Principal",
        ),
        Cause::PolicyTooLarge => Diagnosis::new(
            "session policy, policy ARNs and session tags take more space together than a session has (tags that earlier \
             hops made transitive count too)",
            "shorten --policy, name managed policies with --policy-arn instead, or pass fewer --session-tag (`pod` adds four)",
        ),
        Cause::RegionDisabled => Diagnosis::new(
            format!(
                "the account {} has not activated STS in the region {}",
                role_arn.account_id(),
                session.endpoint.signing_region
            ),
            format!(
                "let an administrator of {} activate it (IAM console, Account settings, Security Token Service; an opt-in \
                 region first with `aws account enable-region --region-name {}`), or set AWS_REGION to a region that is active",
                role_arn.account_id(),
                session.endpoint.signing_region
            ),
        ),
        Cause::ArnInvalid => Diagnosis::new(
            format!("STS takes {role_arn} for no role's ARN of its partition"),
            format!(
                "copy the ARN from `aws iam get-role`, and see that its partition ({}) is that of {}",
                role_arn.partition(),
                session.endpoint.url_without_secrets()
            ),
        ),
        Cause::ParameterInvalid => Diagnosis::new(
            "STS does not take one of the call's parameters, which it names",
            "correct what sets it: --role-session-name, --duration, --external-id, --policy-arn, --session-tag, \
             --transitive-tag, --source-identity, or the profile's key of that name",
        ),
        Cause::ClockWrong => Diagnosis::new(
            match context.clock_difference {
                Some(seconds) => format!("this machine's clock is {}", clock_says(seconds)),
                None => "this machine's clock and STS's differ".to_owned(),
            },
            "set the node's clock (chronyc tracking, timedatectl): AWS takes signatures up to 5 minutes off",
        ),
        Cause::SignatureWrong => Diagnosis::new(
            format!(
                "the secret access key that signed is not that of its access key ID ({}), or STS expects another region \
                 than {} in the signature",
                signer(chain, hop),
                session.endpoint.signing_region
            ),
            "correct aws_secret_access_key at the base of the chain, and set AWS_REGION to the region of the endpoint",
        ),
        Cause::KeyUnknown => key_unknown(chain, hop, role_arn, &session.endpoint.signing_region),
        Cause::SessionExpired => Diagnosis::new(
            format!("the credentials that signed ({}) had expired", signer(chain, hop)),
            "renew them where they come from; what credvend fetched itself it renews",
        ),
        Cause::Throttled => Diagnosis::new(
            format!("the account {} makes more calls to STS than its quota", role_arn.account_id()),
            "try again; where it lasts, see CloudTrail for who calls so often, and spread refreshes",
        ),
        Cause::OutOfOrder => Diagnosis::new(
            format!("STS at {} itself failed; it may pass", session.endpoint.url_without_secrets()),
            "try again; where it lasts, see the AWS Health Dashboard, or set AWS_REGION to a region whose STS answers",
        ),
        Cause::Denied | Cause::Other => return None,
    })
}

/// Roles that cannot follow each other, whatever their policies say: STS of one partition knows none of another's.
pub(crate) fn foreign_partition(chain: &ChainPlan) -> Option<Diagnosis> {
    let names = chain.hop_names();
    let mut pairs = names.iter().zip(names.iter().skip(1));
    pairs.find_map(|(before, after)| {
        let (source, target) = (before.role_arn.as_ref()?, after.role_arn.as_ref()?);
        (source.partition() != target.partition()).then(|| {
            Diagnosis::new(
                format!(
                    "{after} is in the partition {}, {before} in {}: no role of one partition can assume a role of another",
                    target.partition(),
                    source.partition()
                ),
                "correct the ARN, or begin a chain of its own in that partition with an identity provider there",
            )
        })
    })
}

/// Whose credentials sign a hop's call.
fn signer(chain: &ChainPlan, hop: &HopName) -> String {
    match caller(chain, hop) {
        Some(role_arn) => format!("those of {role_arn}"),
        None => format!("the chain's base, {}", chain.base.kind()),
    }
}

/// The role before a hop.
fn caller<'a>(chain: &'a ChainPlan, hop: &HopName) -> Option<&'a RoleArn> {
    chain.session(hop.number.checked_sub(1)?).map(|session| &session.role_arn)
}

fn key_unknown(chain: &ChainPlan, hop: &HopName, role_arn: &RoleArn, region: &str) -> Diagnosis {
    match caller(chain, hop) {
        None => Diagnosis::new(
            format!(
                "STS knows no such access key at the chain's base ({}): it was deleted or deactivated, its session token is \
                 missing, or it belongs to another partition than {}",
                chain.base.kind(),
                role_arn.partition()
            ),
            "see `aws iam list-access-keys` of the user, and put a key that is Active into the profile",
        ),
        Some(caller) => Diagnosis::new(
            format!(
                "STS in {region} does not know the credentials of {caller}: those that the global endpoint gives are not \
                 valid in regions that an account opted into, nor in another partition"
            ),
            format!(
                "ask the regional endpoint on every hop (AWS_REGION={region}, AWS_STS_REGIONAL_ENDPOINTS=regional), or in \
                 account {}: aws iam set-security-token-service-preferences --global-endpoint-token-version v2Token",
                caller.account_id()
            ),
        ),
    }
}

/// `2 h 3 min ahead of STS's`.
pub(crate) fn clock_says(seconds: i64) -> String {
    let length = span(std::time::Duration::from_secs(seconds.unsigned_abs()));
    format!("{length} {} STS's", if seconds < 0 { "behind" } else { "ahead of" })
}
