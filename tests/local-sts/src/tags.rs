//! Session tags.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>

use std::collections::BTreeMap;

use crate::error::StsError;
use crate::parameters::{Parameters, Violations};
use crate::policy::condition::Context;
use crate::session::Session;

const MAX_TAGS: usize = 50;

/// The session tags in a request, and those that the new session inherits from the calling session.
#[derive(Debug, Default)]
pub(crate) struct SessionTags {
    requested: BTreeMap<String, String>,
    inherited: BTreeMap<String, String>,
    requested_transitive: Vec<String>,
}

impl SessionTags {
    /// Returns the tags from the claims of a web identity token.
    pub(crate) fn from_token(tags: BTreeMap<String, String>, transitive: Vec<String>) -> Self {
        Self { requested: tags, inherited: BTreeMap::new(), requested_transitive: transitive }
    }

    /// Reads the tags from the parameters of AssumeRole and adds violations of their limits.
    pub(crate) fn read(parameters: &Parameters, violations: &mut Violations) -> Result<Self, StsError> {
        let members = parameters.list("Tags")?;
        let transitive = parameters.list("TransitiveTagKeys")?;
        for (name, length) in [("Tags", members.len()), ("TransitiveTagKeys", transitive.len())] {
            if length > MAX_TAGS {
                violations.add(name, "[...]", "Member must have length less than or equal to 50");
            }
        }
        let mut requested = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            let position = index + 1;
            let key = member.get("Key").copied().unwrap_or_default();
            violations.length(&format!("tags.{position}.member.key"), key, 1, 128);
            let value = member.get("Value").copied().unwrap_or_default();
            violations.length(&format!("tags.{position}.member.value"), value, 0, 256);
            if requested.keys().any(|known: &String| known.eq_ignore_ascii_case(key)) {
                return Err(StsError::new(
                    "InvalidParameterValue",
                    400,
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            requested.insert(key.to_owned(), value.to_owned());
        }
        let requested_transitive: Vec<String> =
            transitive.iter().filter_map(|member| member.get("").map(|key| (*key).to_owned())).collect();
        Ok(Self { requested, inherited: BTreeMap::new(), requested_transitive })
    }

    /// Adds the calling session's transitive tags. It is an error if the request sets one of them again.
    pub(crate) fn inherit(mut self, calling: Option<&Session>) -> Result<Self, StsError> {
        if self.requested_transitive.iter().any(|key| !self.requested.contains_key(key)) {
            return Err(StsError::new(
                "InvalidParameterValue",
                400,
                "The specified transitive tag key must be included in the requested tags.",
            ));
        }
        let Some(calling) = calling else { return Ok(self) };
        for key in &calling.transitive_keys {
            if self.requested.keys().any(|requested| requested.eq_ignore_ascii_case(key)) {
                return Err(StsError::new(
                    "InvalidParameterValue",
                    400,
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                     key from the calling session.",
                ));
            }
            if let Some(value) = calling.tags.get(key) {
                self.inherited.insert(key.clone(), value.clone());
            }
        }
        Ok(self)
    }

    /// Returns true if there are no tags, so that the role's trust policy need not allow `sts:TagSession`.
    pub(crate) fn is_empty(&self) -> bool {
        self.requested.is_empty() && self.inherited.is_empty()
    }

    pub(crate) fn requested(&self) -> &BTreeMap<String, String> {
        &self.requested
    }

    /// Sets the condition keys for the requested tags.
    pub(crate) fn add_to_context(&self, context: &mut Context) {
        for (key, value) in &self.requested {
            context.set(&format!("aws:RequestTag/{key}"), [value]);
        }
        if !self.requested.is_empty() {
            context.set("aws:TagKeys", self.requested.keys());
        }
        if !self.requested_transitive.is_empty() {
            context.set("sts:TransitiveTagKeys", &self.requested_transitive);
        }
    }

    /// Returns all tags of the new session, and the keys of those that the next session in a role chain inherits.
    pub(crate) fn into_session(self) -> (BTreeMap<String, String>, Vec<String>) {
        let transitive = self.requested_transitive.into_iter().chain(self.inherited.keys().cloned()).collect();
        let mut tags = self.inherited;
        tags.extend(self.requested);
        (tags, transitive)
    }
}
