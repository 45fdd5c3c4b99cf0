//! The simulated AWS accounts with their OIDC providers, roles and users.
//!
//! A world is a JSON document. In every string, `{issuer}` stands for the server's issuer URL and `{issuer_host}` for the
//! URL without its scheme: the server's port is known only after it listens. For an example, see
//! `world/two_accounts.json`.

use std::collections::BTreeMap;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::StsError;
use crate::fault::Fault;
use crate::key_set::KeySet;
use crate::policy::{PolicyDocument, PolicyError, PolicyKind};
use crate::role_arn::RoleArn;

/// The simulated AWS accounts and the server's initial settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The accounts by their twelve-digit ID. The ID can be empty if `is_store` is true.
    pub accounts: BTreeMap<String, Account>,
    /// True for a store with its own STS, such as Ceph, MinIO or SeaweedFS: the ARNs of its roles need no account, and can have
    /// any partition.
    pub is_store: bool,
    /// The partition of all ARNs; `aws` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The only region that credential scopes of signatures can have; any region if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_region: Option<String>,
    /// The issuer in minted tokens and in the discovery document; the server's URL if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The public keys of `issuer`, if another program signs its tokens, such as a Kubernetes API server. Tokens that this server
    /// mints are then refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_set: Option<KeySet>,
    /// The lifetime of credentials in seconds, which overrides `DurationSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_lifetime: Option<u64>,
    /// The number of seconds by which the server's clock is ahead of the machine's.
    pub clock_shift: i64,
    /// The faults that are pending when the server starts.
    pub faults: Vec<Fault>,
}

/// The content of an AWS account.
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
    /// The issuer's URL, which must be equal to the `iss` claim.
    pub url: String,
    /// The audiences that the provider accepts.
    pub client_ids: Vec<String>,
}

/// An IAM role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The path in the role's ARN; `/` if absent.
    #[serde(default = "root_path")]
    pub(crate) path: String,
    /// The maximum session duration in seconds; 3600 if absent.
    #[serde(default = "one_hour")]
    pub max_session_duration: u64,
    /// The trust policy.
    pub trust: PolicyDocument,
    /// The permissions policies. The server evaluates them for `sts:` actions only.
    #[serde(default)]
    pub policies: Vec<PolicyDocument>,
}

/// An IAM user with one access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The access key ID, `AKIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The permissions policies.
    #[serde(default)]
    pub policies: Vec<PolicyDocument>,
}

/// The reason why a world is invalid.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The text is not JSON, or fields are unknown or missing.
    #[error("cannot parse the world: {0}")]
    Syntax(#[from] serde_json::Error),
    /// An account ID does not have twelve digits.
    #[error("account ID {0:?} does not have twelve digits")]
    AccountId(String),
    /// AWS does not accept a policy, or this server cannot evaluate it.
    #[error("{owner}: {source}")]
    Policy {
        /// The ARN of the policy's role or user.
        owner: String,
        /// The reason why the policy is invalid.
        source: PolicyError,
    },
    /// The key set names no issuer.
    #[error("a key set needs the URL of its issuer: set `issuer`")]
    NoIssuer,
    /// The role to change does not exist.
    #[error("role {0} does not exist")]
    NoSuchRole(String),
    /// A role's path or maximum session duration is invalid.
    #[error("{owner}: {reason}")]
    Role {
        /// The role's ARN.
        owner: String,
        /// The reason why the role is invalid.
        reason: &'static str,
    },
}

impl World {
    /// Parses and validates a world.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        let world: World = serde_json::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Returns the built-in world for role chaining across accounts.
    ///
    /// The service account `shop/checkout` can assume `account-a-role` in 111111111111, and that role can assume
    /// `account-b-role` in 222222222222. The user `base-user`, who has static keys, can also assume `account-a-role`.
    pub fn two_accounts() -> World {
        World::from_json(include_str!("world/two_accounts.json")).expect("the built-in world is valid")
    }

    /// Returns the role with this ARN, to change it.
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

    /// Refuses a role ARN that this STS cannot have.
    pub(crate) fn check_role_arn(&self, role_arn: &RoleArn) -> Result<(), StsError> {
        if self.is_store || role_arn.is_aws() { Ok(()) } else { Err(StsError::validation("Request ARN is invalid")) }
    }

    /// Returns the account ID, the name and the user with this access key.
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

    /// Returns this world with the issuer's URL in place of `{issuer}` and `{issuer_host}`.
    pub(crate) fn with_issuer(&self, issuer: &str) -> Result<World, WorldError> {
        let text = serde_json::to_string(self)?;
        World::from_json(&text.replace("{issuer_host}", without_scheme(issuer)).replace("{issuer}", issuer))
    }

    fn check(&self) -> Result<(), WorldError> {
        if self.key_set.is_some() && self.issuer.is_none() {
            return Err(WorldError::NoIssuer);
        }
        for (account, content) in &self.accounts {
            let has_no_account = self.is_store && account.is_empty();
            if !has_no_account && (account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit())) {
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

impl Role {
    fn arn(&self, partition: &str, account: &str, name: &str) -> String {
        format!("arn:{partition}:iam::{account}:role{}{name}", self.path)
    }

    fn check(&self, owner: String) -> Result<(), WorldError> {
        if !self.path.starts_with('/') || !self.path.ends_with('/') {
            return Err(WorldError::Role { owner, reason: "path must start and end with a slash" });
        }
        if !(3600..=43_200).contains(&self.max_session_duration) {
            return Err(WorldError::Role { owner, reason: "max_session_duration must be 3600 to 43200" });
        }
        self.trust.check(PolicyKind::Trust).map_err(|source| WorldError::Policy { owner: owner.clone(), source })?;
        check_policies(&self.policies, &owner)
    }
}

fn check_policies(policies: &[PolicyDocument], owner: &str) -> Result<(), WorldError> {
    policies.iter().try_for_each(|policy| {
        policy.check(PolicyKind::Permissions).map_err(|source| WorldError::Policy { owner: owner.to_owned(), source })
    })
}

/// Removes the scheme from a URL. IAM uses the result in provider ARNs and condition keys.
pub(crate) fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn root_path() -> String {
    "/".to_owned()
}

fn one_hour() -> u64 {
    3600
}
