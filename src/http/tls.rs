//! TLS configuration of clients: versions 1.2 and 1.3, with root certificates that are built into the binary.
//!
//! A CA bundle replaces the built-in roots, as in the AWS SDKs. It is needed for a private endpoint or for a proxy that
//! intercepts TLS.

mod bundle;
mod failure;
mod verifier;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, client::WebPkiServerVerifier};

pub(crate) use self::failure::TlsFailure;
use self::verifier::{BundleVerifier, Fingerprint, fingerprint};
use crate::bounded_file::{self, FifoPolicy, ReadError};

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

/// Trusted certificates.
#[derive(Clone)]
pub(crate) struct Roots {
    store: RootCertStore,
    /// The certificates of the bundle; empty for the built-in roots.
    fingerprints: Vec<Fingerprint>,
}

/// Compares the certificates.
impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprints == other.fingerprints
    }
}

/// Returns the root certificates in `ca_bundle`, or the built-in roots if it is `None`.
///
/// # Errors
/// Returns an error if the bundle cannot be read or contains no usable certificate.
pub(crate) fn roots(ca_bundle: Option<&Path>) -> Result<Roots, CaBundleError> {
    match ca_bundle {
        None => Ok(built_in_roots()),
        Some(path) => read_roots(path).map_err(|reason| CaBundleError { path: path.to_owned(), reason }),
    }
}

/// Returns the root certificates that are built into the binary.
pub(crate) fn built_in_roots() -> Roots {
    let store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Roots { store, fingerprints: Vec::new() }
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
    trusting(Roots { store: RootCertStore::empty(), fingerprints: Vec::new() })
}

/// Returns the configuration of a client that trusts only `roots`.
pub(crate) fn trusting(roots: Roots) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring supports both versions"));
    let Roots { store, fingerprints } = roots;
    if fingerprints.is_empty() {
        return versions.with_root_certificates(store).with_no_client_auth();
    }
    let by_issuer = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    let by_issuer = by_issuer.unwrap_or_else(|_| unreachable!("there are roots and no revocation lists"));
    let verifier = BundleVerifier { by_issuer, fingerprints };
    versions.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

fn read_roots(path: &Path) -> Result<Roots, String> {
    let pem = bounded_file::read_bytes(path, MAX_BUNDLE, FifoPolicy::Refuse).map_err(|error| error.to_string())?;
    if bounded_file::is_utf16(&pem) {
        return Err(ReadError::Utf16.to_string());
    }
    let certificates = bundle::certificates(&pem);
    let fingerprints = certificates.iter().map(|certificate| fingerprint(certificate)).collect();
    let mut store = RootCertStore::empty();
    match store.add_parsable_certificates(certificates) {
        (0, 0) => Err("it contains no PEM certificate".into()),
        (0, _) => Err("it contains no certificate that can be used as a root".into()),
        (_, skipped) => {
            if skipped > 0 {
                tracing::debug!(path = %path.display(), "certificates of the CA bundle that cannot be parsed: {skipped}");
            }
            Ok(Roots { store, fingerprints })
        }
    }
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
