//! What IAM must hold so that a chain works: identity providers, trust policies, permission policies. Pure.
//!
//! A cross-account chain needs three documents: the first role's trust in the token, the second role's trust in the first,
//! and the first role's permission to assume the second. Each further hop needs the last two again.
//! [Cross-account access](https://docs.aws.amazon.com/IAM/latest/UserGuide/tutorial_cross-account-with-roles.html),
//! [trust in a cluster](https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html).

mod aws_cli;
mod policy;

pub(crate) use aws_cli::{get_role, raise_max_session_duration};
pub(crate) use policy::{Policy, Principal, Statement};

use crate::{
    arn::RoleArn,
    plan::{AssumeRoleHop, ChainPlan},
    token::Claims,
};

/// An identity provider that an account must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentityProvider {
    /// The account's 12 digits.
    pub(crate) account_id: String,
    partition: String,
    /// The cluster's issuer, to the letter.
    pub(crate) url: String,
    /// The audiences that it accepts.
    pub(crate) client_ids: Vec<String>,
}

/// Where a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyKind {
    /// On a role: who may assume it.
    TrustPolicy,
    /// On a role: what it may do.
    PermissionPolicy,
}

/// A policy and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyDocument {
    /// The role that it belongs to.
    pub(crate) role_arn: RoleArn,
    /// What it is for that role.
    pub(crate) kind: PolicyKind,
    /// The policy.
    pub(crate) policy: Policy,
    /// What a person must still do about it.
    pub(crate) note: Option<&'static str>,
}

/// What a hop passes along, each with a permission of its own. A source identity and transitive tags go on to every later hop.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionAttributes {
    tags: bool,
    source_identity: bool,
}

/// Whose tokens a role trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The token's own service account.
    ServiceAccount,
    /// Every service account of its namespace.
    Namespace,
}

impl IdentityProvider {
    /// The provider for the token's issuer in the role's account.
    pub(crate) fn of(role_arn: &RoleArn, claims: &Claims) -> Self {
        Self {
            account_id: role_arn.account_id().to_owned(),
            partition: role_arn.partition().to_owned(),
            url: claims.issuer.clone(),
            client_ids: claims.audience.as_slice().to_vec(),
        }
    }

    /// Its ARN.
    pub(crate) fn arn(&self) -> String {
        format!("arn:{}:iam::{}:oidc-provider/{}", self.partition, self.account_id, self.condition_prefix())
    }

    /// The issuer as IAM writes it in ARNs and condition keys: without its scheme.
    fn condition_prefix(&self) -> &str {
        self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest)
    }
}

impl SessionAttributes {
    /// What the chain's hop at `index` passes.
    pub(crate) fn at(chain: &ChainPlan, index: usize) -> Self {
        let (earlier, this) = chain.hops.split_at(index.min(chain.hops.len()));
        let own = this.first().is_some_and(|hop| hop.pod_tags || !hop.tags.is_empty());
        Self {
            tags: own || earlier.iter().any(|hop| !hop.transitive_tag_keys.is_empty()),
            source_identity: chain.hops[..chain.hops.len().min(index + 1)]
                .iter()
                .any(|hop| hop.source_identity.is_some()),
        }
    }

    fn actions(self) -> Vec<&'static str> {
        let all =
            [("sts:AssumeRole", true), ("sts:TagSession", self.tags), ("sts:SetSourceIdentity", self.source_identity)];
        all.into_iter().filter_map(|(action, needed)| needed.then_some(action)).collect()
    }
}

/// The first role's trust in a cluster's service account, or in its namespace.
pub(crate) fn trust_in_token(role_arn: &RoleArn, claims: &Claims, scope: Scope) -> Policy {
    let provider = IdentityProvider::of(role_arn, claims);
    let prefix = provider.condition_prefix();
    let statement = Statement::allow(vec!["sts:AssumeRoleWithWebIdentity"])
        .to(Principal::Federated(provider.arn()))
        .when("StringEquals", format!("{prefix}:aud"), claims.audience.as_slice().to_vec());
    let sub = format!("{prefix}:sub");
    Policy::of(match (scope, claims.service_account()) {
        (Scope::Namespace, Some((namespace, _))) => {
            statement.when("StringLike", sub, vec![format!("system:serviceaccount:{namespace}:*")])
        }
        _ => statement.when("StringEquals", sub, vec![claims.subject.clone()]),
    })
}

/// A chained role's trust in its caller.
pub(crate) fn trust_in_caller(caller_arn: &str, hop: &AssumeRoleHop, attributes: SessionAttributes) -> Policy {
    let statement = Statement::allow(attributes.actions()).to(Principal::Aws(caller_arn.to_owned()));
    Policy::of(match &hop.external_id {
        Some(external_id) => {
            statement.when("StringEquals", "sts:ExternalId".into(), vec![external_id.as_str().to_owned()])
        }
        None => statement,
    })
}

/// The caller's permission to assume a chained role.
pub(crate) fn permission_to_assume(role_arn: &RoleArn, attributes: SessionAttributes) -> Policy {
    Policy::of(Statement::allow(attributes.actions()).on(role_arn.as_str().to_owned()))
}

/// Every document that a chain needs, in its order; `claims` are those of the token at its base, where there is one.
pub(crate) fn documents(chain: &ChainPlan, claims: Option<&Claims>, scope: Scope) -> Vec<PolicyDocument> {
    let mut documents = Vec::new();
    if let (Some(base), Some(claims)) = (chain.base.web_identity(), claims) {
        let role_arn = base.session.role_arn.clone();
        let policy = trust_in_token(&role_arn, claims, scope);
        documents.push(PolicyDocument { role_arn, kind: PolicyKind::TrustPolicy, policy, note: None });
    }
    for (index, hop) in chain.hops.iter().enumerate() {
        let role_arn = &hop.session.role_arn;
        let attributes = SessionAttributes::at(chain, index);
        // `index` counts the chained hops from 0, and the base before them is hop 1: so this is the hop before.
        let caller = chain.session(index + 1).map(|session| &session.role_arn);
        let (caller_arn, note) = match caller {
            Some(caller) => (caller.as_str().to_owned(), None),
            None => (format!("arn:{}:iam::{}:root", role_arn.partition(), role_arn.account_id()), Some(UNKNOWN_CALLER)),
        };
        let policy = trust_in_caller(&caller_arn, hop, attributes);
        documents.push(PolicyDocument { role_arn: role_arn.clone(), kind: PolicyKind::TrustPolicy, policy, note });
        if let Some(caller) = caller {
            let policy = permission_to_assume(role_arn, attributes);
            documents.push(PolicyDocument {
                role_arn: caller.clone(),
                kind: PolicyKind::PermissionPolicy,
                policy,
                note: None,
            });
        }
    }
    documents
}

const UNKNOWN_CALLER: &str = "whose credentials the chain begins with is not known here: the principal is a placeholder, the \
                              root of the role's own account; put the ARN of the user or role in its place, and allow it \
                              sts:AssumeRole on this role";

/// One document for each role and kind: a role that several chains share has their statements together.
pub(crate) fn merged(documents: impl IntoIterator<Item = PolicyDocument>) -> Vec<PolicyDocument> {
    let mut merged: Vec<PolicyDocument> = Vec::new();
    for document in documents {
        match merged.iter_mut().find(|one| one.role_arn == document.role_arn && one.kind == document.kind) {
            Some(one) => {
                one.policy.add(document.policy);
                one.note = one.note.or(document.note);
            }
            None => merged.push(document),
        }
    }
    merged
}
