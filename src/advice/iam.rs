//! The IAM resources that a chain requires: identity providers, trust policies and permission policies.
//!
//! Input: a [chain](ChainPlan) and the claims of its token. Output: policy documents. The module performs no I/O. A
//! cross-account chain requires three policies: the first role trusts the token, the second role trusts the first, and
//! the first role is allowed to assume the second. Each further hop requires the last two again.
//! [Cross-account access](https://docs.aws.amazon.com/IAM/latest/UserGuide/tutorial_cross-account-with-roles.html),
//! [IAM roles for service accounts](https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html).

mod aws_cli;
mod policy;

pub(crate) use aws_cli::{get_role, quoted as shell_word, raise_max_session_duration};
pub(crate) use policy::{Policy, Principal, Statement};

use crate::{
    arn::RoleArn,
    plan::{AssumeRoleHop, ChainPlan},
    token::Claims,
};

/// An IAM identity provider that an account requires.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentityProvider {
    /// The 12-digit account ID.
    pub(crate) account_id: String,
    partition: String,
    /// The issuer URL, exactly as in the token.
    pub(crate) url: String,
    /// The audiences that the provider accepts.
    pub(crate) client_ids: Vec<String>,
    /// The reason why AWS cannot use the issuer, if it cannot.
    pub(crate) issuer_problem: Option<&'static str>,
}

/// The type of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyKind {
    /// Allows principals to assume the role.
    TrustPolicy,
    /// Allows the role to perform actions.
    PermissionPolicy,
}

/// A policy and the role to attach it to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyDocument {
    pub(crate) role_arn: RoleArn,
    pub(crate) kind: PolicyKind,
    pub(crate) policy: Policy,
    /// A manual step that remains, if any.
    pub(crate) note: Option<&'static str>,
}

/// Session attributes of a hop, each of which requires its own permission. A source identity and transitive tags apply
/// to all later hops too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionAttributes {
    tags: bool,
    source_identity: bool,
}

/// The service accounts that a role trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The service account in the token.
    ServiceAccount,
    /// All service accounts in the namespace of the token.
    Namespace,
}

impl IdentityProvider {
    /// Returns the provider for the token's issuer in the role's account.
    pub(crate) fn of(role_arn: &RoleArn, claims: &Claims) -> Self {
        Self {
            account_id: role_arn.account_id().to_owned(),
            partition: role_arn.partition().to_owned(),
            url: claims.issuer.clone(),
            client_ids: claims.audience.as_slice().to_vec(),
            issuer_problem: None,
        }
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:{}:iam::{}:oidc-provider/{}", self.partition, self.account_id, self.condition_prefix())
    }

    /// Returns the issuer without its scheme, as in IAM ARNs and condition keys.
    fn condition_prefix(&self) -> &str {
        self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest)
    }
}

impl SessionAttributes {
    /// Returns the attributes of the chained hop at `index`, which starts at 0.
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

/// Returns the trust policy of the first role, which trusts the token's service account or its namespace.
pub(crate) fn trust_in_token(role_arn: &RoleArn, claims: &Claims, scope: Scope) -> Policy {
    let provider = IdentityProvider::of(role_arn, claims);
    let prefix = provider.condition_prefix();
    let statement = Statement::allow(vec!["sts:AssumeRoleWithWebIdentity"])
        .principal(Principal::Federated(provider.arn()))
        .condition("StringEquals", format!("{prefix}:aud"), claims.audience.as_slice().to_vec());
    let sub = format!("{prefix}:sub");
    Policy::of(match (scope, claims.service_account()) {
        (Scope::Namespace, Some((namespace, _))) => {
            statement.condition("StringLike", sub, vec![format!("system:serviceaccount:{namespace}:*")])
        }
        _ => statement.condition("StringEquals", sub, vec![claims.subject.clone()]),
    })
}

/// Returns the trust policy of a chained role, which trusts its caller.
pub(crate) fn trust_in_caller(caller_arn: &str, hop: &AssumeRoleHop, attributes: SessionAttributes) -> Policy {
    let statement = Statement::allow(attributes.actions()).principal(Principal::Aws(caller_arn.to_owned()));
    Policy::of(match &hop.external_id {
        Some(external_id) => {
            statement.condition("StringEquals", "sts:ExternalId".into(), vec![external_id.as_str().to_owned()])
        }
        None => statement,
    })
}

/// Returns the permission policy that allows the caller to assume a chained role.
pub(crate) fn permission_to_assume(role_arn: &RoleArn, attributes: SessionAttributes) -> Policy {
    Policy::of(Statement::allow(attributes.actions()).resource(role_arn.as_str().to_owned()))
}

/// Returns all policies that a chain requires, in the order of its hops. `claims` are those of the web identity token
/// at the base, if there is one.
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
        // Hop numbers start at 1, the base. `hops[index]` is hop `index + 2`, so this is the previous hop.
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

const UNKNOWN_CALLER: &str = "the principal is a placeholder, the role's own account, because the identity at the base \
                              of the chain is not known; replace it with the ARN of that user or role, and allow that \
                              identity to call sts:AssumeRole on this role";

/// Merges documents of the same role and kind. The policy of a role in several chains then has the statements of all
/// of them.
pub(crate) fn merged(documents: impl IntoIterator<Item = PolicyDocument>) -> Vec<PolicyDocument> {
    let mut merged: Vec<PolicyDocument> = Vec::new();
    for document in documents {
        match merged.iter_mut().find(|other| other.role_arn == document.role_arn && other.kind == document.kind) {
            Some(other) => {
                other.policy.add(document.policy);
                other.note = other.note.or(document.note);
            }
            None => merged.push(document),
        }
    }
    merged
}
