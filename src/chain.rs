//! A chain: a base that needs no AWS credentials, and AssumeRole hops in order, each signed with what the one before gave.
//!
//! This file says what a chain is, without doing anything; `config` makes chains of flags, variables and profiles.
//! [`link`] executes them, so that chains with a common beginning share its calls; [`base`] holds the beginnings that are no
//! exchange with STS.
//! [Role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining).

pub mod base;
pub mod link;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use self::base::{Container, CredentialProcess, InstanceMetadata, StaticKeys};
use crate::{
    arn::{ExternalId, Region, RoleArn, SessionDuration, SessionName},
    exchange::WebIdentityHop,
    provider::HopName,
    sts::{Endpoint, SessionParameters, Tag},
};

/// What one profile vends.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The profile's name.
    pub profile: String,
    /// Where it begins.
    pub base: Base,
    /// The roles that follow.
    pub hops: Vec<AssumeRoleHop>,
    /// The region that applications are told, where one is known.
    pub region: Option<Region>,
}

impl Chain {
    /// The role that the vended credentials belong to.
    pub fn role_arn(&self) -> Option<&RoleArn> {
        self.hops.last().map(|hop| &hop.session.role_arn).or_else(|| self.base.role_arn())
    }

    /// How the hop with this number is asked for; `None` for a base that assumes no role.
    pub fn session(&self, number: usize) -> Option<&SessionPlan> {
        match number {
            1 => self.base.session(),
            number => self.hops.get(number.checked_sub(2)?).map(|hop| &hop.session),
        }
    }

    /// How long what is vended is asked to last, where somebody chose that.
    pub fn duration(&self) -> Option<SessionDuration> {
        self.session(self.hops.len() + 1)?.duration
    }

    /// The hops' names, the base first.
    pub fn hop_names(&self) -> Vec<HopName> {
        std::iter::once(self.base.role_arn())
            .chain(self.hops.iter().map(|hop| Some(&hop.session.role_arn)))
            .zip(1..)
            .map(|(role_arn, number)| HopName { number, role_arn: role_arn.cloned() })
            .collect()
    }
}

/// The beginning of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// A web identity token, exchanged for a first role's credentials.
    WebIdentity(WebIdentityHop),
    /// Long-term or temporary keys from a file.
    Static(StaticKeys),
    /// `credential_source = Environment`: the keys that credvend was started with.
    Environment(StaticKeys),
    /// `credential_source = EcsContainer`: a container credentials endpoint.
    Container(Container),
    /// `credential_source = Ec2InstanceMetadata`: the node's role.
    InstanceMetadata(InstanceMetadata),
    /// `credential_process`: a program that prints credentials.
    Process(CredentialProcess),
}

impl Base {
    /// Its kind's name, in documents for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WebIdentity(_) => "web_identity",
            Self::Static(_) => "static",
            Self::Environment(_) => "environment",
            Self::Container(_) => "container",
            Self::InstanceMetadata(_) => "imds",
            Self::Process(_) => "process",
        }
    }

    /// The exchange of a web identity token that it is, where it is one.
    pub fn web_identity(&self) -> Option<&WebIdentityHop> {
        match self {
            Self::WebIdentity(hop) => Some(hop),
            _ => None,
        }
    }

    fn session(&self) -> Option<&SessionPlan> {
        self.web_identity().map(|hop| &hop.session)
    }

    fn role_arn(&self) -> Option<&RoleArn> {
        self.session().map(|session| &session.role_arn)
    }

    /// Whether its credentials are a role's session for certain: a role that is assumed with them is a chained one, whose
    /// session lasts an hour at most. Keys with a session token, and what a program prints, may be a user's session
    /// (`GetSessionToken`), which has no such limit; there STS says.
    pub fn is_role_session(&self) -> bool {
        match self {
            Self::WebIdentity(_) | Self::Container(_) | Self::InstanceMetadata(_) => true,
            Self::Static(_) | Self::Environment(_) | Self::Process(_) => false,
        }
    }

    /// Whether what listens at this address is what it asks.
    pub fn is_served_at(&self, listener: SocketAddr) -> bool {
        base::is_served_at(self, listener)
    }

    /// Which roots the calls to it trust: outer `None` where none of them is over TLS.
    pub fn ca_bundle(&self) -> Option<Option<&Path>> {
        match self {
            Self::WebIdentity(hop) => Some(hop.session.ca_bundle.as_deref()),
            Self::Container(container) if container.url.scheme() == "https" => Some(container.ca_bundle.as_deref()),
            _ => None,
        }
    }
}

/// What every exchange needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionPlan {
    /// The role to assume.
    pub role_arn: RoleArn,
    /// The session's name; that of the hop before where none is given, at the base one from the token's claims.
    pub session_name: Option<SessionName>,
    /// How long it is asked to last.
    pub duration: Option<SessionDuration>,
    /// A session policy.
    pub policy: Option<String>,
    /// Managed policies' ARNs.
    pub policy_arns: Vec<String>,
    /// Where STS answers.
    pub endpoint: Endpoint,
    /// Which roots to trust in place of the built-in ones.
    pub ca_bundle: Option<PathBuf>,
}

impl SessionPlan {
    /// What STS is asked for, under this session name.
    pub fn parameters<'a>(&'a self, session_name: &'a SessionName) -> SessionParameters<'a> {
        SessionParameters {
            role_arn: &self.role_arn,
            session_name,
            duration: self.duration,
            policy: self.policy.as_deref(),
            policy_arns: &self.policy_arns,
        }
    }
}

/// One AssumeRole.
#[derive(Clone, Debug, PartialEq)]
pub struct AssumeRoleHop {
    /// The role and how to ask for it.
    pub session: SessionPlan,
    /// The word that its owner demands.
    pub external_id: Option<ExternalId>,
    /// Session tags with fixed values.
    pub tags: Vec<Tag>,
    /// Whether the tags that EKS Pod Identity sets are added from the token's claims.
    pub pod_tags: bool,
    /// Keys of the tags that go on to further hops.
    pub transitive_tag_keys: Vec<String>,
    /// Who is behind the session.
    pub source_identity: Option<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some chain, vended as this profile.
    pub(crate) fn chain(profile: &str) -> Chain {
        let keys = StaticKeys {
            access_key_id: "key".into(),
            secret_access_key: "secret".into(),
            session_token: None,
            expiry: None,
        };
        Chain { profile: profile.to_owned(), base: Base::Static(keys), hops: Vec::new(), region: None }
    }
}
