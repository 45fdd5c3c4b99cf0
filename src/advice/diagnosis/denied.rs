//! A chained role that is denied. Across accounts two must agree: the caller's policies and the target's trust policy. Which
//! of them does not, STS tells in newer messages alone.

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
    let planned = chain.hops.get(index)?;
    let target = &planned.session.role_arn;
    let attributes = SessionAttributes::at(chain, index);
    let caller = super::caller(chain, hop);
    let caller_name = caller.map_or_else(|| caller_in(&refusal.message), |role_arn| role_arn.as_str().to_owned());

    let trust = format!(
        "in account {}, let the trust policy of {target} hold {} (see `{}`)",
        target.account_id(),
        trust_in_caller(&caller_name, planned, attributes),
        get_role(target)
    );
    let permission = match caller {
        Some(caller) => format!(
            "in account {}, let a policy of {caller} hold {}",
            caller.account_id(),
            permission_to_assume(target, attributes)
        ),
        None => format!("let a policy of {caller_name} hold {}", permission_to_assume(target, attributes)),
    };
    Some(match (cause, Side::of(&refusal.message)) {
        (Cause::TagsNotAllowed, _) => Diagnosis::new(
            format!(
                "session tags are passed ({}), but its trust policy does not let {caller_name} pass any (sts:TagSession), or \
                 the policies of {caller_name} do not",
                tags_of(planned)
            ),
            trust,
        )
        .or(permission)
        .or("or pass no tags"),
        (Cause::SourceIdentityNotAllowed, _) => Diagnosis::new(
            format!(
                "a source identity is set, but its trust policy does not let {caller_name} set one (sts:SetSourceIdentity), \
                 or the policies of {caller_name} do not"
            ),
            trust,
        )
        .or(permission)
        .or("or set no --source-identity"),
        (_, Side::Organization) => Diagnosis::new(
            format!("a policy of the organization forbids {caller_name} to assume it"),
            "ask who writes the organization's service control policies to allow sts:AssumeRole on it",
        ),
        (_, Side::Session) => Diagnosis::new(
            format!("the session policy of the hop before does not allow {caller_name} to assume it"),
            format!(
                "add the permission to that session policy, or leave it out: {}",
                permission_to_assume(target, attributes)
            ),
        ),
        (_, Side::Caller) => {
            Diagnosis::new(format!("no policy of {caller_name} allows sts:AssumeRole on it"), permission)
        }
        (_, Side::Target) => Diagnosis::new(
            format!("its trust policy does not let {caller_name} in{}", external_id_note(planned)),
            trust,
        ),
        (_, Side::Unsaid) => Diagnosis::new(
            format!(
                "{caller_name} may not assume it: a policy of {caller_name} must allow that and its trust policy must name \
                 {caller_name}{}; or there is no such role",
                external_id_note(planned)
            ),
            permission,
        )
        .or(trust),
    })
}

/// Which of the two does not agree.
enum Side {
    Caller,
    Target,
    Session,
    Organization,
    Unsaid,
}

impl Side {
    /// [What a message tells](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
    fn of(message: &str) -> Self {
        let says = |words: &str| message.contains(words);
        if says("service control policy") || says("resource control policy") {
            Self::Organization
        } else if says("session policy") {
            Self::Session
        } else if says("identity-based policy") {
            Self::Caller
        } else if says("resource-based policy") || says("trust policy") {
            Self::Target
        } else {
            Self::Unsaid
        }
    }
}

fn external_id_note(hop: &AssumeRoleHop) -> String {
    match &hop.external_id {
        Some(external_id) => format!(" with the external ID {} that is sent", external_id.as_str()),
        None => " (no external ID is sent; where it demands one, set --external-id)".to_owned(),
    }
}

fn tags_of(hop: &AssumeRoleHop) -> String {
    let fixed = hop.tags.iter().map(|tag| tag.key.as_str());
    let keys: Vec<&str> = fixed.chain(hop.pod_tags.then_some("pod")).collect();
    if keys.is_empty() { "those that an earlier hop made transitive".to_owned() } else { keys.join(", ") }
}

/// Whom STS names: `User: ARN is not authorized …`.
fn caller_in(message: &str) -> String {
    let arn = message.split_whitespace().find(|word| word.starts_with("arn:"));
    arn.unwrap_or("the credentials at the chain's base").to_owned()
}
