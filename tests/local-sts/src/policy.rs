//! IAM policy documents: trust policies of roles, permissions policies of roles and users, and session policies.
//!
//! Parsing is as lenient as in AWS. [`PolicyDocument::check`] refuses elements that this server cannot evaluate, so that
//! a policy in a world file never has a different effect than in AWS.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

pub(crate) mod condition;
pub(crate) mod evaluation;
mod wildcard;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An IAM policy in its JSON form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct PolicyDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    effect: Effect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_principal: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<OneOrMany<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_action: Option<OneOrMany<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<OneOrMany<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_resource: Option<OneOrMany<String>>,
    /// Operator → condition key → values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany<Value>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Principal {
    Everyone(Everyone),
    Named(BTreeMap<PrincipalKind, OneOrMany<String>>),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Everyone {
    #[serde(rename = "*")]
    Star,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum PrincipalKind {
    #[serde(rename = "AWS")]
    Aws,
    Federated,
    Service,
}

/// One value or a list of values; IAM accepts both.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

// A derived untagged implementation would parse a list of JSON values as one value, and hide the errors of its variants.
impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let result = match Value::deserialize(deserializer)? {
            Value::Array(items) => items.into_iter().map(T::deserialize).collect::<Result<_, _>>().map(Self::Many),
            one => T::deserialize(one).map(Self::One),
        };
        result.map_err(D::Error::custom)
    }
}

impl<T> OneOrMany<T> {
    fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
    }
}

/// The reason why a policy is invalid.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The text is not JSON or does not have the structure of a policy.
    #[error("syntax: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A statement is incomplete or has an element that this server does not evaluate.
    #[error("{0}")]
    Statement(String),
}

/// The kind of a policy, which determines the elements that its statements need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyKind {
    /// A role's policy that determines who can assume the role.
    Trust,
    /// A policy of a role, user or session that determines which actions it can perform.
    Permissions,
}

impl FromStr for PolicyDocument {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl PolicyDocument {
    /// Checks that AWS accepts the document as a policy of this kind.
    pub(crate) fn check_syntax(&self, kind: PolicyKind) -> Result<(), PolicyError> {
        if let Some(version) = self.version.as_deref()
            && !["2012-10-17", "2008-10-17"].contains(&version)
        {
            return refuse(format!("Version {version:?} does not exist"));
        }
        for statement in self.statement.iter() {
            statement.check_syntax(kind)?;
        }
        Ok(())
    }

    /// Checks that AWS accepts the document and that this server can evaluate it.
    pub(crate) fn check(&self, kind: PolicyKind) -> Result<(), PolicyError> {
        self.check_syntax(kind)?;
        for statement in self.statement.iter() {
            statement.check_supported()?;
        }
        Ok(())
    }
}

impl Statement {
    fn check_syntax(&self, kind: PolicyKind) -> Result<(), PolicyError> {
        if self.action.is_some() == self.not_action.is_some() {
            return refuse("a statement needs exactly one of Action and NotAction");
        }
        let has_principal = self.principal.is_some() || self.not_principal.is_some();
        let has_resource = self.resource.is_some() || self.not_resource.is_some();
        match kind {
            PolicyKind::Trust if !has_principal => refuse("a statement of a trust policy needs a Principal"),
            PolicyKind::Trust if has_resource => {
                refuse("a statement of a trust policy must not have a Resource: the resource is the role")
            }
            PolicyKind::Permissions if has_principal => {
                refuse("a statement of a permissions policy must not have a Principal")
            }
            PolicyKind::Permissions if self.resource.is_some() == self.not_resource.is_some() => {
                refuse("a statement needs exactly one of Resource and NotResource")
            }
            _ => Ok(()),
        }
    }

    fn check_supported(&self) -> Result<(), PolicyError> {
        if self.not_principal.is_some() {
            return refuse("NotPrincipal is not supported");
        }
        if let Some(Principal::Named(named)) = &self.principal
            && named.values().flat_map(OneOrMany::iter).any(|name| name.len() > 1 && name.contains('*'))
        {
            return refuse("a Principal must be \"*\" or a complete name: wildcards in part of a name do not work");
        }
        let condition_values = self.condition.values().flat_map(BTreeMap::values).flat_map(OneOrMany::iter);
        let resources = self.resource.iter().chain(&self.not_resource).flat_map(OneOrMany::iter);
        if resources
            .map(String::as_str)
            .chain(condition_values.filter_map(Value::as_str))
            .any(|text| text.contains("${"))
        {
            return refuse("policy variables (${…}) are not supported");
        }
        for operator in self.condition.keys() {
            if condition::Operator::parse(operator).is_none() {
                return refuse(format!("condition operator {operator} is not supported"));
            }
        }
        Ok(())
    }
}

fn refuse(reason: impl Into<String>) -> Result<(), PolicyError> {
    Err(PolicyError::Statement(reason.into()))
}
