//! Plans: the base and the hops of each profile's chain, as pure data.
//!
//! `config` builds plans from flags, variables and profiles; [`chain`](crate::chain) executes them. A plan can be
//! compared, cloned and printed. It performs no I/O.
//!
//! A chain starts at a [`Base`], which needs no AWS credentials from credvend, and continues with [`AssumeRoleHop`]s.
//! Each hop is signed with the credentials of the hop before it. Hops are numbered from 1, the base.
//! [Role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining).

pub(crate) mod base;
mod hop;
mod session;

pub(crate) use base::{Base, WebIdentityHop};
pub(crate) use hop::{AssumeRoleHop, HopName};
pub(crate) use session::SessionPlan;

use crate::arn::{Region, RoleArn, SessionDuration};

/// The chain of one profile.
#[derive(Clone, Debug)]
pub(crate) struct ChainPlan {
    pub(crate) profile: String,
    /// Origin of the first credentials.
    pub(crate) base: Base,
    /// Roles to assume after the base, in order.
    pub(crate) hops: Vec<AssumeRoleHop>,
    /// Region to pass to applications, if known.
    pub(crate) region: Option<Region>,
}

impl ChainPlan {
    /// Returns the role of the last hop, or `None` if the chain assumes no role.
    pub(crate) fn role_arn(&self) -> Option<&RoleArn> {
        self.hops.last().map(|hop| &hop.session.role_arn).or_else(|| self.base.role_arn())
    }

    /// Returns the session parameters of hop `number`, or `None` for a base that assumes no role.
    pub(crate) fn session(&self, number: usize) -> Option<&SessionPlan> {
        match number {
            1 => self.base.session(),
            number => self.hops.get(number.checked_sub(2)?).map(|hop| &hop.session),
        }
    }

    /// Returns the session parameters of all hops that assume a role, the first one first.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &SessionPlan> {
        (1..=self.hops.len() + 1).filter_map(|number| self.session(number))
    }

    /// Returns the requested duration of the last session, if one is configured.
    pub(crate) fn duration(&self) -> Option<SessionDuration> {
        self.session(self.hops.len() + 1)?.duration
    }

    /// Returns the names of all hops, the base first.
    pub(crate) fn hop_names(&self) -> Vec<HopName> {
        std::iter::once(self.base.role_arn())
            .chain(self.hops.iter().map(|hop| Some(&hop.session.role_arn)))
            .zip(1..)
            .map(|(role_arn, number)| HopName { number, role_arn: role_arn.cloned() })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{base::StaticKeys, *};

    /// Returns a chain of static keys only, for the given profile.
    pub(crate) fn chain(profile: &str) -> ChainPlan {
        let keys = StaticKeys {
            access_key_id: "key".into(),
            secret_access_key: "secret".into(),
            session_token: None,
            expiry: None,
        };
        ChainPlan { profile: profile.to_owned(), base: Base::Static(keys), hops: Vec::new(), region: None }
    }
}
