//! Bases other than a web identity: where a chain begins without STS.
//!
//! Each is described by a value that `config` makes, and answers `fetch` with credentials or with a [`BaseError`] that
//! says what failed, where, and what to do. One fetch is one attempt; a link decides when there is another.

pub mod container;
mod document;
mod http;
pub mod instance_metadata;
pub mod process;

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};

pub use container::Container;
pub use instance_metadata::InstanceMetadata;
pub use process::CredentialProcess;

use crate::{
    clock::Clock,
    credentials::{Credentials, Expiry},
    provider::{BaseError, BaseFault},
};

/// When credentials that do not say when they expire are fetched again. The AWS SDK for Rust does the same.
pub(super) const UNDATED_REFRESH: Duration = Duration::from_secs(15 * 60);

/// A base in execution.
pub(super) enum Source {
    /// Keys that are there.
    Keys(StaticKeys),
    /// A container credentials endpoint.
    Container(Container),
    /// The node's instance metadata service.
    InstanceMetadata(InstanceMetadata),
    /// A program; of what is vended as it is more is asked than of what signs for a role.
    Process { process: CredentialProcess, is_vended: bool },
}

impl Source {
    /// One attempt at credentials; `now` is STS's time.
    pub(super) async fn fetch(&self, clock: &dyn Clock, now: SystemTime) -> Result<Credentials, BaseError> {
        match self {
            Self::Keys(keys) => keys.credentials(now),
            Self::Container(endpoint) => endpoint.fetch(now).await,
            Self::InstanceMetadata(service) => service.fetch(now).await,
            Self::Process { process, is_vended } => process.fetch(clock, now, *is_vended).await,
        }
    }

    /// What the log calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Container(_) => "container",
            Self::InstanceMetadata(_) => "imds",
            Self::Process { .. } => "process",
        }
    }
}

/// Keys from a file or from the environment.
#[derive(Clone, Debug)]
pub struct StaticKeys {
    /// The access key's ID.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
    /// The session token of temporary keys.
    pub session_token: Option<SecretString>,
    /// When they expire, as far as it was said.
    pub expiry: Option<Expiry>,
}

impl StaticKeys {
    /// The keys, as long as they have not expired.
    fn credentials(&self, now: SystemTime) -> Result<Credentials, BaseError> {
        if let Some(expiry) = self.expiry.filter(|expiry| expiry.as_time() <= now) {
            return Err(BaseError {
                what: format!("the access keys expired at {expiry} (it is {})", Expiry::from(now)),
                mend: "start credvend with new ones, or use a base that renews itself",
                fault: BaseFault::Refused,
            });
        }
        Ok(Credentials::of_source(
            self.access_key_id.clone(),
            self.secret_access_key.clone(),
            self.session_token.clone(),
            self.expiry,
            None,
        ))
    }
}

impl PartialEq for StaticKeys {
    fn eq(&self, other: &Self) -> bool {
        self.access_key_id == other.access_key_id
            && same(Some(&self.secret_access_key), Some(&other.secret_access_key))
            && same(self.session_token.as_ref(), other.session_token.as_ref())
            && self.expiry == other.expiry
    }
}

/// Whether two secrets of one configuration are the same, so that their calls can be shared.
fn same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}
