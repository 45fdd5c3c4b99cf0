//! Parameters that every STS exchange has in common.

use std::path::PathBuf;

use crate::{
    arn::{RoleArn, SessionDuration, SessionName},
    sts::{Endpoint, SessionParameters},
};

/// A role session to request from STS.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionPlan {
    pub(crate) role_arn: RoleArn,
    /// Role session name. If `None`, the previous hop's name is used, and at the base a name from the token's claims.
    pub(crate) session_name: Option<SessionName>,
    /// Requested duration; if `None`, STS applies its default of one hour.
    pub(crate) duration: Option<SessionDuration>,
    /// Inline session policy (JSON).
    pub(crate) policy: Option<String>,
    /// ARNs of managed session policies.
    pub(crate) policy_arns: Vec<String>,
    pub(crate) endpoint: Endpoint,
    /// STS of other regions, to ask in this order if `endpoint` fails. Without duplicates and without `endpoint`.
    pub(crate) fallback_endpoints: Vec<Endpoint>,
    /// PEM file of root certificates that replaces the built-in roots.
    pub(crate) ca_bundle: Option<PathBuf>,
}

impl SessionPlan {
    /// Returns the endpoint of the hop's region and then those of the fallback regions.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.endpoint).chain(&self.fallback_endpoints)
    }

    /// Returns the request parameters, with the given role session name.
    pub(crate) fn parameters<'a>(&'a self, session_name: &'a SessionName) -> SessionParameters<'a> {
        SessionParameters {
            role_arn: &self.role_arn,
            session_name,
            duration: self.duration,
            policy: self.policy.as_deref(),
            policy_arns: &self.policy_arns,
        }
    }
}
