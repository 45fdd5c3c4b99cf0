//! TLS configuration of clients: versions 1.2 and 1.3, with root certificates that are built into the binary.
//!
//! `AWS_CA_BUNDLE` or a profile's `ca_bundle` replaces the built-in roots, as in the AWS SDKs. It is needed for a
//! private endpoint or for a proxy that intercepts TLS.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::bounded_file::{self, FifoPolicy};

/// Maximum size of a CA bundle, in bytes. The bundles of Linux distributions have about 220 KiB.
const MAX_BUNDLE: u64 = 4 * 1024 * 1024;

/// The reason why a CA bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("CA bundle {}: {reason}; set AWS_CA_BUNDLE to a file of PEM certificates", path.display())]
pub(crate) struct CaBundleError {
    path: PathBuf,
    reason: String,
}

/// Returns the root certificates in `ca_bundle`, or the built-in roots if it is `None`.
///
/// # Errors
/// Returns an error if the bundle cannot be read or contains no usable certificate.
pub(crate) fn roots(ca_bundle: Option<&Path>) -> Result<RootCertStore, CaBundleError> {
    match ca_bundle {
        None => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
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

/// Returns the configuration of a client that trusts only `roots`.
pub(crate) fn trusting(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring supports both versions"));
    versions.with_root_certificates(roots).with_no_client_auth()
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let pem = bounded_file::read_bytes(path, MAX_BUNDLE, FifoPolicy::Refuse).map_err(|error| error.to_string())?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, 0) => Err("it contains no PEM certificate".into()),
        (0, _) => Err("it contains no certificate that can be used as a root".into()),
        _ => Ok(roots),
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
