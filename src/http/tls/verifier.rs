//! Verifies the certificate of a server, which may itself be in the CA bundle.
//!
//! Input: the certificates that a server presents. Output: whether to trust it. Servers such as MinIO and LocalStack present a
//! self-signed certificate that is marked as a CA. OpenSSL accepts it if it is in the bundle, and the verifier of rustls does
//! not: "a CA certificate is being used as an end-entity certificate".
//!
//! This verifier asks that of rustls first, for which the first connection parses the trusted certificates. If that refuses only the
//! issuer of the server's certificate, and the bundle contains exactly this certificate, then its issuer does not matter. The name
//! and the validity are still checked, and the handshake still has to prove that the server holds the key.

use ring::digest::{SHA256, digest};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{Anchors, Roots, failure::CA_AS_SERVER};

/// The SHA-256 digest of a certificate.
pub(super) type Fingerprint = [u8; 32];

/// Returns the digest of a certificate.
pub(super) fn fingerprint(certificate: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
    fingerprint
}

/// Accepts what rustls accepts, and servers whose own certificate is in the bundle.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) roots: Roots,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Anchors { by_issuer, fingerprints } = self.roots.anchors();
        let verified = by_issuer.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        match verified {
            Err(error) if concerns_issuer(&error) && fingerprints.contains(&fingerprint(certificate)) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns true for the errors that rustls returns after it has checked the validity of the server's certificate: it is a CA, or
/// its issuer is unknown or has an unsupported key. `tls::certificates::a_certificate_in_the_bundle_is_still_checked` tests the order.
fn concerns_issuer(error: &Error) -> bool {
    let Error::InvalidCertificate(error) = error else { return false };
    match error {
        CertificateError::UnknownIssuer
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        CertificateError::Other(error) => error.0.to_string() == CA_AS_SERVER,
        _ => false,
    }
}
