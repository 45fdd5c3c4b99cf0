//! Bases other than a web identity: where a chain begins without STS.
//!
//! Each is described by a value that `config` makes, and answers `fetch` with credentials or with a [`BaseError`] that
//! says what failed, where, and what to do. One fetch is one attempt; a link decides when there is another.

pub mod container;
mod document;
mod http;
pub mod instance_metadata;
pub mod process;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

pub use container::Container;
pub use instance_metadata::InstanceMetadata;
pub use process::CredentialProcess;

use super::Base;
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

/// Whether a base is served by the very address that we listen on.
pub(super) fn is_served_at(base: &Base, listener: SocketAddr) -> bool {
    match base {
        Base::Container(endpoint) => is_at(&endpoint.url, listener),
        Base::InstanceMetadata(service) => service.endpoint.parse().is_ok_and(|url| is_at(&url, listener)),
        Base::WebIdentity(_) | Base::Static(_) | Base::Environment(_) | Base::Process(_) => false,
    }
}

/// Whether a URL leads to an address that we ourselves listen on.
fn is_at(url: &Url, listener: SocketAddr) -> bool {
    if url.scheme() != "http" || url.port_or_known_default() != Some(listener.port()) {
        return false;
    }
    match host_address(url) {
        Some(host) => host == listener.ip() || (listener.ip().is_unspecified() && host.is_loopback()),
        None => {
            let is_loopback = listener.ip().is_loopback() || listener.ip().is_unspecified();
            url.host_str() == Some("localhost") && is_loopback
        }
    }
}

/// The IP address that a URL names, where it names one.
pub fn host_address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_own_listener_is_known_by_every_name() {
        let is_at = |url: &str, listener: &str| {
            super::is_at(&url.parse().expect("a URL"), listener.parse().expect("an address"))
        };
        for host in ["127.0.0.1", "localhost"] {
            assert!(is_at(&format!("http://{host}:9911/v1/credentials"), "127.0.0.1:9911"));
            assert!(is_at(&format!("http://{host}:9911/v1/credentials"), "0.0.0.0:9911"));
        }
        assert!(is_at("http://[::1]:9911/", "[::1]:9911") && is_at("http://localhost:9911/", "[::1]:9911"));
        assert!(is_at("http://169.254.170.2/x", "169.254.170.2:80"));
        assert!(
            !is_at("http://127.0.0.1:9912/", "127.0.0.1:9911") && !is_at("http://127.0.0.2:9911/", "127.0.0.1:9911")
        );
    }
}
