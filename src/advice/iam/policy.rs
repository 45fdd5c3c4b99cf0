//! The parts of the IAM policy language that credvend writes. Fields serialize in their usual order.
//! [Grammar](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html).

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// A policy document. Displayed as one line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// A statement that allows actions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, OneOrMany>>,
}

/// The principal that a trust policy allows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Principal {
    /// ARN of an identity provider.
    Federated(String),
    /// ARN of a role, a user or an account.
    #[serde(rename = "AWS")]
    Aws(String),
}

/// A single string or a list of strings. IAM accepts both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn of(values: Vec<String>) -> Self {
        match <[String; 1]>::try_from(values) {
            Ok([one]) => Self::One(one),
            Err(values) => Self::Many(values),
        }
    }
}

impl Policy {
    pub(super) fn of(statement: Statement) -> Self {
        Self { version: "2012-10-17", statement: vec![statement] }
    }

    /// Returns the principals that the statements allow.
    pub(crate) fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.statement.iter().filter_map(|statement| statement.principal.as_ref())
    }

    /// Adds the statements of another policy that this policy does not contain yet.
    pub(super) fn add(&mut self, other: Policy) {
        for statement in other.statement {
            if !self.statement.contains(&statement) {
                self.statement.push(statement);
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Statement {
    pub(super) fn allow(actions: Vec<&'static str>) -> Self {
        let action = OneOrMany::of(actions.into_iter().map(str::to_owned).collect());
        Self { effect: "Allow", principal: None, action, resource: None, condition: BTreeMap::new() }
    }

    pub(super) fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    pub(super) fn resource(mut self, resource: String) -> Self {
        self.resource = Some(resource);
        self
    }

    pub(super) fn condition(mut self, operator: &'static str, key: String, values: Vec<String>) -> Self {
        self.condition.entry(operator).or_default().insert(key, OneOrMany::of(values));
        self
    }
}
