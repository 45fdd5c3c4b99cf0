//! IAM's JSON, as far as it is written here; its fields in the order in which people write them.
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

/// One permission.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, Texts>>,
}

/// Who is trusted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Principal {
    /// An identity provider's ARN.
    Federated(String),
    /// A role's or an account's ARN.
    #[serde(rename = "AWS")]
    Aws(String),
}

/// What IAM takes alone or in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn of(texts: Vec<String>) -> Self {
        match <[String; 1]>::try_from(texts) {
            Ok([one]) => Self::One(one),
            Err(several) => Self::Several(several),
        }
    }
}

impl Policy {
    pub(super) fn of(statement: Statement) -> Self {
        Self { version: "2012-10-17", statement: vec![statement] }
    }

    /// Takes over another policy's statements, those that are new.
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
        let action = Texts::of(actions.into_iter().map(str::to_owned).collect());
        Self { effect: "Allow", principal: None, action, resource: None, condition: BTreeMap::new() }
    }

    pub(super) fn to(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    pub(super) fn on(mut self, resource: String) -> Self {
        self.resource = Some(resource);
        self
    }

    pub(super) fn when(mut self, operator: &'static str, key: String, values: Vec<String>) -> Self {
        self.condition.entry(operator).or_default().insert(key, Texts::of(values));
        self
    }
}
