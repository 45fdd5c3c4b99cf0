//! What exists: accounts with their OIDC providers, roles and users.
//!
//! A world is JSON. In every string `{issuer}` stands for the server's issuer URL and `{issuer_host}` for the same
//! without its scheme, since the port is known only once the server listens. See `world/two_accounts.json`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::policy::{Place, PolicyDocument, PolicyError};

/// Accounts by their twelve digits, and how the server starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The accounts by ID.
    pub accounts: BTreeMap<String, Account>,
    /// The partition all ARNs are in; `aws` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The one region signatures may be scoped to; any region-shaped name if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_region: Option<String>,
    /// The `iss` of minted tokens and of the discovery document, if not the server's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Seconds credentials live, whatever `DurationSeconds` asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_lifetime: Option<u64>,
    /// Seconds the server's clock is ahead of the machine's.
    pub clock_shift: i64,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
}

/// What one AWS account holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// IAM OIDC identity providers.
    pub oidc_providers: Vec<OidcProvider>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// IAM users by name.
    pub users: BTreeMap<String, User>,
}

/// An IAM OIDC identity provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// The issuer's URL, equal to `iss` to the letter.
    pub url: String,
    /// The audiences it accepts.
    pub client_ids: Vec<String>,
}

/// An IAM role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The path in its ARN, `/` if absent.
    #[serde(default = "root_path")]
    pub path: String,
    /// Seconds a session may last at most, 3600 if absent.
    #[serde(default = "one_hour")]
    pub max_session_duration: u64,
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// What it may do; only `sts:` actions are ever asked for.
    #[serde(default)]
    pub policies: Vec<PolicyDocument>,
}

/// An IAM user with one access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `AKIA…`
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What the user may do.
    #[serde(default)]
    pub policies: Vec<PolicyDocument>,
}

/// Why a world cannot exist.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Not JSON, or unknown or missing fields.
    #[error("the world is not readable: {0}")]
    Syntax(#[from] serde_json::Error),
    /// An account ID which is not twelve digits.
    #[error("account {0:?} is not twelve digits")]
    AccountId(String),
    /// A policy which AWS, or this server, would not understand.
    #[error("{owner}: {source}")]
    Policy {
        /// The ARN of the role or user it is on.
        owner: String,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// A role to be changed which does not exist.
    #[error("there is no role {0}")]
    NoSuchRole(String),
    /// A session length outside 3600 to 43200 seconds, or a path not between slashes.
    #[error("{owner}: {reason}")]
    Role {
        /// The role's ARN.
        owner: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl World {
    /// Reads a world and refuses what it could not honour.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        let world: World = serde_json::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// The cross-account story: a service account `shop/checkout` may become `account-a-role` in 111111111111, which may
    /// become `account-b-role` in 222222222222. The user `base-user` may become `account-a-role` with static keys.
    pub fn two_accounts() -> World {
        World::from_json(include_str!("world/two_accounts.json")).expect("the built-in world is sound")
    }

    /// The role with this ARN, for changing it.
    pub fn role_mut(&mut self, arn: &str) -> Option<&mut Role> {
        let partition = self.partition().to_owned();
        self.accounts.iter_mut().find_map(|(account, content)| {
            content
                .roles
                .iter_mut()
                .find_map(|(name, role)| (role.arn(&partition, account, name) == arn).then_some(role))
        })
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.accounts.iter().find_map(|(account, content)| {
            content
                .roles
                .iter()
                .find_map(|(name, role)| (role.arn(self.partition(), account, name) == arn).then_some(role))
        })
    }

    /// The user with this access key, its account and its name.
    pub(crate) fn user(&self, access_key_id: &str) -> Option<(&str, &str, &User)> {
        self.accounts.iter().find_map(|(account, content)| {
            let (name, user) = content.users.iter().find(|(_, user)| user.access_key_id == access_key_id)?;
            Some((account.as_str(), name.as_str(), user))
        })
    }

    pub(crate) fn partition(&self) -> &str {
        self.partition.as_deref().unwrap_or("aws")
    }

    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.credential_lifetime.map(Duration::from_secs)
    }

    /// This world with the issuer's URL in its place.
    pub(crate) fn with_issuer(&self, issuer: &str) -> Result<World, WorldError> {
        let text = serde_json::to_string(self)?;
        World::from_json(&text.replace("{issuer_host}", without_scheme(issuer)).replace("{issuer}", issuer))
    }

    fn check(&self) -> Result<(), WorldError> {
        for (account, content) in &self.accounts {
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(WorldError::AccountId(account.clone()));
            }
            for (name, role) in &content.roles {
                role.check(role.arn(self.partition(), account, name))?;
            }
            for (name, user) in &content.users {
                let owner = format!("arn:{}:iam::{account}:user/{name}", self.partition());
                check_policies(&user.policies, &owner)?;
            }
        }
        Ok(())
    }
}

impl FromStr for World {
    type Err = WorldError;

    fn from_str(text: &str) -> Result<Self, WorldError> {
        World::from_json(text)
    }
}

impl Role {
    fn arn(&self, partition: &str, account: &str, name: &str) -> String {
        format!("arn:{partition}:iam::{account}:role{}{name}", self.path)
    }

    fn check(&self, owner: String) -> Result<(), WorldError> {
        if !self.path.starts_with('/') || !self.path.ends_with('/') {
            return Err(WorldError::Role { owner, reason: "a path starts and ends with a slash" });
        }
        if !(3600..=43_200).contains(&self.max_session_duration) {
            return Err(WorldError::Role { owner, reason: "max_session_duration is 3600 to 43200 seconds" });
        }
        self.trust.check(Place::Trust).map_err(|source| WorldError::Policy { owner: owner.clone(), source })?;
        check_policies(&self.policies, &owner)
    }
}

fn check_policies(policies: &[PolicyDocument], owner: &str) -> Result<(), WorldError> {
    policies.iter().try_for_each(|policy| {
        policy.check(Place::Permissions).map_err(|source| WorldError::Policy { owner: owner.to_owned(), source })
    })
}

/// How IAM names a provider and its condition keys.
pub(crate) fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn root_path() -> String {
    "/".to_owned()
}

fn one_hour() -> u64 {
    3600
}
