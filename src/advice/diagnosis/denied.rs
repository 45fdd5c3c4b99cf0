//! Diagnoses of denied `AssumeRole` calls.
//!
//! Across accounts, both the caller's policies and the target role's trust policy must allow the call. Only newer
//! error messages of STS say which of them does not.

use crate::{
    advice::{
        diagnosis::{Diagnosis, RefusalContext},
        iam::{SessionAttributes, get_role, permission_to_assume, trust_in_caller},
    },
    plan::AssumeRoleHop,
    sts::{Refusal, cause::Cause},
};

pub(super) fn diagnose(cause: Cause, refusal: &Refusal, context: RefusalContext<'_>) -> Option<Diagnosis> {
    let RefusalContext { chain, hop, .. } = context;
    let index = hop.number.checked_sub(2)?;
    let target_hop = chain.hops.get(index)?;
    let target = &target_hop.session.role_arn;
    let attributes = SessionAttributes::at(chain, index);
    let caller = super::caller(chain, hop);
    let caller_name = caller.map_or_else(|| caller_in(&refusal.message), |role_arn| role_arn.as_str().to_owned());

    let trust = format!(
        "in account {}, add to the trust policy of {target}: {} (show the current policy with `{}`)",
        target.account_id(),
        trust_in_caller(&caller_name, target_hop, attributes),
        get_role(target)
    );
    let permission = match caller {
        Some(caller) => format!(
            "in account {}, add to a policy of {caller}: {}",
            caller.account_id(),
            permission_to_assume(target, attributes)
        ),
        None => format!("add to a policy of {caller_name}: {}", permission_to_assume(target, attributes)),
    };
    Some(match (cause, DeniedBy::from_message(&refusal.message)) {
        (Cause::TagsNotAllowed, _) => Diagnosis::new(
            format!(
                "the request passes session tags ({}), but the role's trust policy or the policies of {caller_name} \
                 do not allow sts:TagSession",
                session_tags(target_hop)
            ),
            trust,
        )
        .or(permission)
        .or("or remove the session tags"),
        (Cause::SourceIdentityNotAllowed, _) => Diagnosis::new(
            format!(
                "the request sets a source identity, but the role's trust policy or the policies of {caller_name} do \
                 not allow sts:SetSourceIdentity"
            ),
            trust,
        )
        .or(permission)
        .or("or remove --source-identity"),
        (_, DeniedBy::OrganizationPolicy) => Diagnosis::new(
            format!("a policy of the organization does not allow {caller_name} to assume this role"),
            "ask an administrator of the organization to allow sts:AssumeRole on this role in the service control \
             policies and resource control policies",
        ),
        (_, DeniedBy::SessionPolicy) => Diagnosis::new(
            format!("the session policy of the previous hop does not allow {caller_name} to assume this role"),
            format!("remove that session policy, or add to it: {}", permission_to_assume(target, attributes)),
        ),
        (_, DeniedBy::CallerPolicy) => {
            Diagnosis::new(format!("no policy of {caller_name} allows sts:AssumeRole on this role"), permission)
        }
        (_, DeniedBy::TrustPolicy) => Diagnosis::new(
            format!("the role's trust policy does not allow {caller_name}{}", external_id_note(target_hop)),
            trust,
        ),
        (_, DeniedBy::Unknown) => Diagnosis::new(
            format!(
                "{caller_name} is not allowed to assume this role, or the role does not exist: a policy of \
                 {caller_name} must allow sts:AssumeRole on this role, and the role's trust policy must allow \
                 {caller_name}{}",
                external_id_note(target_hop)
            ),
            permission,
        )
        .or(trust),
    })
}

/// The type of the policy that denied a call.
enum DeniedBy {
    CallerPolicy,
    TrustPolicy,
    SessionPolicy,
    OrganizationPolicy,
    Unknown,
}

impl DeniedBy {
    /// Determines the policy type from an
    /// [access denied message](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
    fn from_message(message: &str) -> Self {
        let mentions = |policy_type: &str| message.contains(policy_type);
        if mentions("service control policy") || mentions("resource control policy") {
            Self::OrganizationPolicy
        } else if mentions("session policy") {
            Self::SessionPolicy
        } else if mentions("identity-based policy") {
            Self::CallerPolicy
        } else if mentions("resource-based policy") || mentions("trust policy") {
            Self::TrustPolicy
        } else {
            Self::Unknown
        }
    }
}

fn external_id_note(hop: &AssumeRoleHop) -> String {
    match &hop.external_id {
        Some(external_id) => format!(" with the external ID {}", external_id.as_str()),
        None => " (no external ID is sent; if the trust policy requires one, set --external-id)".to_owned(),
    }
}

fn session_tags(hop: &AssumeRoleHop) -> String {
    let fixed = hop.tags.iter().map(|tag| tag.key.as_str());
    let keys: Vec<&str> = fixed.chain(hop.pod_tags.then_some("pod")).collect();
    if keys.is_empty() { "transitive tags of an earlier hop".to_owned() } else { keys.join(", ") }
}

/// Returns the caller that STS names in its message (`User: ARN is not authorized …`).
fn caller_in(message: &str) -> String {
    let arn = message.split_whitespace().find(|word| word.starts_with("arn:"));
    arn.unwrap_or("the credentials at the base of the chain").to_owned()
}
