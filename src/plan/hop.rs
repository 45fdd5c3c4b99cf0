//! One AssumeRole call of a chain.

use std::fmt;

use super::SessionPlan;
use crate::{
    arn::{ExternalId, RoleArn},
    sts::Tag,
};

/// An AssumeRole call, signed with the credentials of the previous hop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AssumeRoleHop {
    pub(crate) session: SessionPlan,
    /// External ID that the role's trust policy requires.
    pub(crate) external_id: Option<ExternalId>,
    /// Session tags with fixed values.
    pub(crate) tags: Vec<Tag>,
    /// Whether to add the tags of EKS Pod Identity, taken from the token's claims.
    pub(crate) pod_tags: bool,
    /// Keys of the tags that are passed on to later hops.
    pub(crate) transitive_tag_keys: Vec<String>,
    /// Source identity, shown in CloudTrail for this and later hops.
    pub(crate) source_identity: Option<String>,
}

/// Identifies a hop in messages: its number and its role.
#[derive(Clone, Debug)]
pub(crate) struct HopName {
    /// Position in the chain; the base is 1.
    pub(crate) number: usize,
    /// The role that the hop assumes, if any.
    pub(crate) role_arn: Option<RoleArn>,
}

impl HopName {
    /// Returns the ARN of the role for logs and metrics, or an empty text if the hop assumes none.
    pub(crate) fn role(&self) -> &str {
        self.role_arn.as_ref().map_or("", RoleArn::as_str)
    }
}

impl fmt::Display for HopName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hop {}", self.number)?;
        match &self.role_arn {
            Some(role_arn) => write!(f, " ({role_arn})"),
            None => Ok(()),
        }
    }
}
