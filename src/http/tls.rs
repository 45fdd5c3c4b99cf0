//! TLS configuration of clients: versions 1.2 and 1.3, with root certificates that are built into the binary.
//!
//! A CA bundle replaces the built-in roots, as in the AWS SDKs. It is needed for a private endpoint or for a proxy that
//! intercepts TLS.

mod bundle;
mod failure;
mod verifier;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, client::WebPkiServerVerifier, crypto::CryptoProvider,
};

pub(crate) use self::failure::TlsFailure;
use self::{
    bundle::Bundle,
    verifier::{Fingerprint, Verifier},
};
use crate::bounded_file::{self, FifoPolicy};

/// Maximum size of a CA bundle, in bytes. The bundles of Linux distributions have about 220 KiB.
const MAX_BUNDLE: u64 = 4 * 1024 * 1024;

/// The reason why a CA bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "CA bundle {}: {reason}; set AWS_CA_BUNDLE to a file of PEM certificates (without it, ca_bundle of the profile, \
     SSL_CERT_FILE and REQUESTS_CA_BUNDLE apply)", path.display()
)]
pub(crate) struct CaBundleError {
    path: PathBuf,
    reason: String,
}

/// Trusted certificates. They are parsed when the first TLS connection needs them, because many commands open none. Clones share
/// them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Roots {
    /// The certificates that are built into the binary.
    BuiltIn,
    /// The certificates of a file, as it was when it was read.
    Bundle(Arc<Bundle>),
}

/// Parsed certificates.
#[derive(Debug)]
struct Anchors {
    by_issuer: Arc<WebPkiServerVerifier>,
    /// The certificates of the bundle; empty for the built-in roots.
    fingerprints: Vec<Fingerprint>,
}

impl Roots {
    fn anchors(&self) -> &Anchors {
        static BUILT_IN: OnceLock<Anchors> = OnceLock::new();
        match self {
            Self::BuiltIn => BUILT_IN.get_or_init(|| {
                let store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                Anchors::new(store, Vec::new())
            }),
            Self::Bundle(bundle) => bundle.anchors(),
        }
    }
}

impl Anchors {
    /// Returns the certificates in `store`, which is not empty.
    fn new(store: RootCertStore, fingerprints: Vec<Fingerprint>) -> Self {
        let by_issuer = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build();
        let by_issuer = by_issuer.unwrap_or_else(|_| unreachable!("there are roots and no revocation lists"));
        Self { by_issuer, fingerprints }
    }
}

/// Returns the root certificates in `ca_bundle`, or the built-in roots if it is `None`.
///
/// # Errors
/// Returns an error if the bundle cannot be read or contains no usable certificate.
pub(crate) fn roots(ca_bundle: Option<&Path>) -> Result<Roots, CaBundleError> {
    match ca_bundle {
        None => Ok(Roots::BuiltIn),
        Some(path) => read_roots(path).map_err(|reason| CaBundleError { path: path.to_owned(), reason }),
    }
}

/// Returns the configuration of a client that trusts only the certificates in `ca_bundle`, or the built-in roots if it
/// is `None`.
///
/// # Errors
/// Returns an error if the bundle cannot be read or contains no usable certificate.
pub(crate) fn client_config(ca_bundle: Option<&Path>) -> Result<ClientConfig, CaBundleError> {
    roots(ca_bundle).map(trusting)
}

/// Returns the configuration of a client that trusts no server, for `http` URLs.
pub(crate) fn without_trust() -> ClientConfig {
    with_versions(provider()).with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

/// Returns the configuration of a client that trusts only `roots`.
pub(crate) fn trusting(roots: Roots) -> ClientConfig {
    let provider = provider();
    let verifier = Verifier { roots, algorithms: provider.signature_verification_algorithms };
    with_versions(provider).dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn with_versions(provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring supports both versions"))
}

fn read_roots(path: &Path) -> Result<Roots, String> {
    let mut pem = bounded_file::read_bytes(path, MAX_BUNDLE, FifoPolicy::Refuse).map_err(|error| error.to_string())?;
    // Certificates are public, so the memory needs no wiping of its own, which would take longer than reading.
    Bundle::new(path, std::mem::take(&mut *pem)).map(|bundle| Roots::Bundle(Arc::new(bundle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_without_a_certificate_is_refused_with_its_path() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("ca.pem");
        assert!(client_config(Some(&path)).expect_err("absent").to_string().contains("ca.pem: entity not found"));
        std::fs::write(&path, "no certificate").expect("written");
        assert!(client_config(Some(&path)).expect_err("empty").to_string().contains("no PEM certificate"));
        assert!(client_config(None).is_ok());
    }
}
