//! IAM policy documents: the trust policy of a role, the permissions of a role or user, the policy of a session.
//!
//! Reading is as lenient as AWS's; what this server could not evaluate is refused by [`PolicyDocument::check`], so a
//! world file never means something else here than it does there.
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

/// What IAM takes alone or in a list.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

// By hand: an untagged one would read a list of any JSON as one value, and keep its errors to itself.
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

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, or not the structure of a policy.
    #[error("syntax: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A statement which is incomplete, or asks for what this server does not evaluate.
    #[error("{0}")]
    Statement(String),
}

/// Where a policy stands, which decides what its statements need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a role: says who may assume it.
    Trust,
    /// On a role, a user or a session: says what it may do.
    Permissions,
}

impl FromStr for PolicyDocument {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl PolicyDocument {
    /// Whether AWS would accept the document in this place.
    pub(crate) fn check_shape(&self, place: Place) -> Result<(), PolicyError> {
        if let Some(version) = self.version.as_deref()
            && !["2012-10-17", "2008-10-17"].contains(&version)
        {
            return refuse(format!("Version {version:?} does not exist"));
        }
        for statement in self.statement.iter() {
            statement.check_shape(place)?;
        }
        Ok(())
    }

    /// Whether this server also understands all of it.
    pub(crate) fn check(&self, place: Place) -> Result<(), PolicyError> {
        self.check_shape(place)?;
        for statement in self.statement.iter() {
            statement.check_understood()?;
        }
        Ok(())
    }
}

impl Statement {
    fn check_shape(&self, place: Place) -> Result<(), PolicyError> {
        if self.action.is_some() == self.not_action.is_some() {
            return refuse("a statement needs one of Action and NotAction");
        }
        let has_principal = self.principal.is_some() || self.not_principal.is_some();
        let has_resource = self.resource.is_some() || self.not_resource.is_some();
        match place {
            Place::Trust if !has_principal => refuse("a trust policy's statement needs a Principal"),
            Place::Trust if has_resource => refuse("a trust policy's statement has no Resource: it is the role"),
            Place::Permissions if has_principal => refuse("a permissions policy's statement has no Principal"),
            Place::Permissions if self.resource.is_some() == self.not_resource.is_some() => {
                refuse("a statement needs one of Resource and NotResource")
            }
            _ => Ok(()),
        }
    }

    fn check_understood(&self) -> Result<(), PolicyError> {
        if self.not_principal.is_some() {
            return refuse("NotPrincipal is not supported");
        }
        if let Some(Principal::Named(named)) = &self.principal
            && named.values().flat_map(OneOrMany::iter).any(|name| name.len() > 1 && name.contains('*'))
        {
            return refuse("a Principal is \"*\" or a whole name: wildcards do not work in part of one");
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
