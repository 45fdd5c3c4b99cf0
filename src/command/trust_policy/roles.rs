//! The roles and identity providers of a setup as resources with names and dependencies, for tools that create them.

use crate::{
    advice::iam::{IdentityProvider, PolicyDocument, PolicyKind, Principal},
    arn::RoleArn,
    command::{output::Lines, trust_policy::Setup},
};

/// A role with its policies.
pub(super) struct Role<'a> {
    pub(super) arn: &'a RoleArn,
    /// Unique among the roles.
    pub(super) label: String,
    pub(super) trust: Option<&'a PolicyDocument>,
    pub(super) permission: Option<&'a PolicyDocument>,
    /// Indexes of the roles that must exist before this role, because its trust policy names them.
    pub(super) roles: Vec<usize>,
    /// Indexes of the identity providers that its trust policy names.
    pub(super) providers: Vec<usize>,
}

impl Role<'_> {
    /// Adds the manual steps that remain for this role as comments.
    pub(super) fn note_lines(&self, text: &mut Lines) {
        for note in [self.trust, self.permission].into_iter().flatten().filter_map(|document| document.note) {
            text.line(&format!("# {}: {note}", self.arn));
        }
    }
}

/// Returns the roles of all documents, in the order of the chains. `label` makes the name of a resource from that of a role.
pub(super) fn roles(setup: &Setup, label: fn(&str) -> String) -> Vec<Role<'_>> {
    let mut roles: Vec<Role<'_>> = Vec::new();
    for document in &setup.documents {
        let arn = &document.role_arn;
        let index = roles.iter().position(|role| role.arn == arn).unwrap_or_else(|| {
            let is_taken = |name: &str| roles.iter().any(|role| role.label == name);
            let label = unique(label(arn.name()), is_taken);
            roles.push(Role { arn, label, trust: None, permission: None, roles: vec![], providers: vec![] });
            roles.len() - 1
        });
        match document.kind {
            PolicyKind::TrustPolicy => roles[index].trust = Some(document),
            PolicyKind::PermissionPolicy => roles[index].permission = Some(document),
        }
    }
    for index in 0..roles.len() {
        let Some(trust) = roles[index].trust else { continue };
        for principal in trust.policy.principals() {
            match principal {
                // A role cannot wait for a later one. Roles that trust each other need two steps in every tool.
                Principal::Aws(arn) => {
                    let earlier = roles[..index].iter().position(|role| role.arn.as_str() == arn);
                    roles[index].roles.extend(earlier);
                }
                Principal::Federated(arn) => {
                    let provider = setup.providers.iter().position(|provider| provider.arn() == *arn);
                    roles[index].providers.extend(provider);
                }
            }
        }
    }
    roles
}

/// Returns a name for each identity provider. `label` makes it from the ID of the account.
pub(super) fn provider_labels(providers: &[IdentityProvider], label: fn(&str) -> String) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for provider in providers {
        let next = unique(label(&provider.account_id), |name| labels.iter().any(|it| it == name));
        labels.push(next);
    }
    labels
}

/// Returns `name`, with a number if it is taken.
fn unique(name: String, is_taken: impl Fn(&str) -> bool) -> String {
    let mut candidate = name.clone();
    let mut number = 1;
    while is_taken(&candidate) {
        number += 1;
        candidate = format!("{name}{number}");
    }
    candidate
}
