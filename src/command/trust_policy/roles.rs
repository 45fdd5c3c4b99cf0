//! The roles and identity providers of a setup as resources with names and dependencies, for tools that create them.

use crate::{
    advice::iam::{IdentityProvider, OneOrMany, Policy, PolicyDocument, PolicyKind, Principal, Statement},
    arn::RoleArn,
    command::trust_policy::{Setup, tree::Node},
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
    /// Returns the manual steps that remain for this role.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let notes = [self.trust, self.permission].into_iter().flatten().filter_map(|document| document.note);
        notes.map(|note| format!("{}: {note}", self.arn))
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
        for statement in &trust.policy.statement {
            match &statement.principal {
                // A role cannot wait for a later one. Roles that trust each other need two steps in every tool.
                Some(Principal::Aws(arn)) => {
                    let earlier = roles[..index].iter().position(|role| role.arn.as_str() == arn);
                    roles[index].roles.extend(earlier);
                }
                Some(Principal::Federated(arn)) => {
                    let provider = setup.providers.iter().position(|provider| provider.arn() == *arn);
                    roles[index].providers.extend(provider);
                }
                None => {}
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

/// Returns `name`, or the first of `name2`, `name3` and so on that is not taken.
fn unique(name: String, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{name}{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(name)
}

/// Returns a policy as a value, with its fields in their usual order.
pub(super) fn policy_node(policy: &Policy) -> Node {
    Node::map([
        ("Version", Node::text(policy.version)),
        ("Statement", Node::List(policy.statement.iter().map(statement_node).collect())),
    ])
}

fn statement_node(statement: &Statement) -> Node {
    let mut node = Node::map([("Effect", Node::text(statement.effect))]);
    if let Some(principal) = &statement.principal {
        let (kind, arn) = match principal {
            Principal::Federated(arn) => ("Federated", arn),
            Principal::Aws(arn) => ("AWS", arn),
        };
        node.push("Principal", Node::map([(kind, Node::text(arn))]));
    }
    node.push("Action", one_or_many(&statement.action));
    if let Some(resource) = &statement.resource {
        node.push("Resource", Node::text(resource));
    }
    if !statement.condition.is_empty() {
        let operators = statement.condition.iter().map(|(operator, values)| {
            let values = values.iter().map(|(key, values)| (key.clone(), one_or_many(values)));
            ((*operator).to_owned(), Node::Map(values.collect()))
        });
        node.push("Condition", Node::Map(operators.collect()));
    }
    node
}

fn one_or_many(values: &OneOrMany) -> Node {
    match values {
        OneOrMany::One(value) => Node::text(value),
        OneOrMany::Many(values) => Node::texts(values),
    }
}
