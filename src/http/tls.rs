//! TLS towards STS: versions 1.2 and 1.3, roots built into the binary, so that the image needs no file.
//!
//! `AWS_CA_BUNDLE` (or a profile's `ca_bundle`) replaces the built-in roots, as it does in the AWS SDKs: for a private
//! endpoint or a proxy that opens TLS.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Why a CA bundle cannot be used. One line that names the file.
#[derive(Debug, thiserror::Error)]
#[error("CA bundle {}: {why}; name a file of PEM certificates with AWS_CA_BUNDLE", path.display())]
pub(crate) struct CaBundleError {
    path: PathBuf,
    why: String,
}

/// The configuration of a client that trusts the built-in roots, or those of `ca_bundle` alone.
///
/// # Errors
/// Where the bundle cannot be read or holds no usable certificate.
pub(crate) fn client_config(ca_bundle: Option<&Path>) -> Result<ClientConfig, CaBundleError> {
    let roots = match ca_bundle {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(path) => read_roots(path).map_err(|why| CaBundleError { path: path.to_owned(), why })?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap_or_else(|_| unreachable!("ring supports both versions"));
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let pem = std::fs::read(path).map_err(|error| error.kind().to_string())?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, 0) => Err("it holds no PEM certificate".into()),
        (0, _) => Err("it holds no certificate that can be a root".into()),
        _ => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("ca.pem");
        assert!(client_config(Some(&path)).expect_err("absent").to_string().contains("ca.pem: entity not found"));
        std::fs::write(&path, "no certificate").expect("written");
        assert!(client_config(Some(&path)).expect_err("empty").to_string().contains("no PEM certificate"));
        assert!(client_config(None).is_ok());
    }
}
