//! Bases: providers of the credentials that a chain starts with.
//!
//! [`token_exchange`] exchanges a web identity token at STS. The other bases work without STS. Each `fetch` makes one
//! attempt and returns credentials or a [`BaseError`]; the hop provider decides when to try again.

pub(crate) mod container;
pub(crate) mod credential_process;
pub(crate) mod credentials_document;
mod http_base;
mod instance_metadata;
mod token_exchange;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    chain::error::{BaseError, BaseFault},
    clock::Clock,
    credentials::{Credentials, Expiry},
    http::tls::Roots,
    plan::base::{Container, CredentialProcess, InstanceMetadata, StaticKeys},
};

/// Refresh interval for credentials that have no expiry. The AWS SDK for Rust uses the same interval.
pub(super) const UNDATED_REFRESH: Duration = Duration::from_secs(15 * 60);

/// The provider for a chain's base, other than a token exchange.
#[derive(PartialEq)]
pub(super) enum BaseProvider {
    Keys(StaticKeys),
    /// `roots`: the certificates that an `https` endpoint needs, as they were when the configuration was read.
    Container {
        endpoint: Container,
        roots: Option<Arc<Roots>>,
    },
    InstanceMetadata(InstanceMetadata),
    /// `is_vended`: a profile vends the output unchanged, so it must be temporary credentials.
    Process {
        process: CredentialProcess,
        is_vended: bool,
    },
}

impl BaseProvider {
    /// Makes one attempt to fetch credentials. `now` is STS's time.
    pub(super) async fn fetch(&self, clock: &dyn Clock, now: SystemTime) -> Result<Credentials, BaseError> {
        match self {
            Self::Keys(keys) => keys.credentials(now),
            Self::Container { endpoint, roots } => endpoint.fetch(roots.as_deref(), now).await,
            Self::InstanceMetadata(service) => service.fetch(now).await,
            Self::Process { process, is_vended } => process.fetch(clock, now, *is_vended).await,
        }
    }

    /// Returns the value of the log field `source`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys",
            Self::Container { .. } => "container",
            Self::InstanceMetadata(_) => "imds",
            Self::Process { .. } => "process",
        }
    }
}

impl StaticKeys {
    /// Returns the keys, or an error if they have expired.
    fn credentials(&self, now: SystemTime) -> Result<Credentials, BaseError> {
        if let Some(expiry) = self.expiry.filter(|expiry| expiry.as_time() <= now) {
            return Err(BaseError {
                what: format!("the access keys expired at {expiry} (the time is {})", Expiry::from(now)),
                help: "restart credvend with new access keys, or use a base that renews its credentials",
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
