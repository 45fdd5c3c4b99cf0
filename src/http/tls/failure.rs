//! Describes why a TLS handshake failed.
//!
//! Input: an error of a call. Output: a clause about the server, and an instruction. The messages of the TLS library show its
//! data structures, so none of them is used.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError, pki_types::UnixTime};

/// Why a handshake failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsFailure {
    /// A clause about the server, such as `its certificate expired on 2026-01-01T00:00:00Z`.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) help: &'static str,
}

const UNTRUSTED: &str =
    "set AWS_CA_BUNDLE to a file with the CA certificate of that server, or of the proxy that intercepts TLS";
const RENEW: &str = "renew the certificate of that server, and check the clock of the node";
const REISSUE: &str = "issue another certificate for that server (from a private CA, set AWS_CA_BUNDLE)";
const OTHER_NAME: &str =
    "correct the host name in the URL of the endpoint, or issue the certificate for it (subjectAltName)";
const PIN: &str = "add the certificate of that server itself to AWS_CA_BUNDLE, or issue it from a CA with RSA of at least 2048 bits, \
                   P-256, P-384 or Ed25519";
const PROTOCOL: &str = "enable TLS 1.2 or 1.3 with ECDHE, AES-GCM or ChaCha20 there, and a certificate whose key is RSA, P-256, P-384 \
                        or Ed25519 (not P-521); it must not require a client certificate";
const NOT_TLS: &str = "check the scheme and the port in the URL of the endpoint, and HTTPS_PROXY";

impl TlsFailure {
    /// Returns the TLS error among the causes of an error, if there is one.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(tls));
            }
            // An I/O error is not the source of itself, so `source` would skip the error inside.
            let io_error = error.downcast_ref::<io::Error>();
            if io_error.is_some_and(|error| error.to_string() == "tls handshake eof") {
                return Some(Self::new("it closed the connection during the TLS handshake", PROTOCOL));
            }
            cause = match io_error.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn new(reason: impl Into<String>, help: &'static str) -> Self {
        Self { reason: reason.into(), help }
    }

    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::UnknownCA
                | AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate => {
                    Self::new("it requires a client certificate", "allow TLS without one: credvend sends none")
                }
                _ => Self::new(format!("it refused the TLS handshake with the alert {}", words(alert)), PROTOCOL),
            },
            rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
                Self::new("its response is not TLS", NOT_TLS)
            }
            rustls::Error::PeerIncompatible(reason) => {
                Self::new(format!("it supports no common TLS version or algorithm ({})", words(reason)), PROTOCOL)
            }
            _ => Self::new(format!("the TLS handshake failed ({})", words(error)), PROTOCOL),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => {
                Self::new("its certificate is not signed by a trusted certificate authority", UNTRUSTED)
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::new(format!("its certificate, or one above it, expired on {}", date(*not_after)), RENEW)
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::new(format!("its certificate, or one above it, is not valid before {}", date(*not_before)), RENEW)
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names: Vec<_> = presented.iter().take(8).map(|name| inside(name)).collect();
                let names = if names.is_empty() { "no name (subjectAltName)".into() } else { names.join(", ") };
                Self::new(format!("its certificate is for {names}, not for {}", expected.to_str()), OTHER_NAME)
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: id, ..
            } => {
                let algorithm = algorithm(id);
                Self::new(
                    format!(
                        "its certificate, or one above it, is signed with {algorithm}, which credvend does not support"
                    ),
                    PIN,
                )
            }
            CertificateError::BadSignature => {
                Self::new("its certificate, or one above it, has a wrong signature or an RSA key below 2048 bits", PIN)
            }
            CertificateError::Other(error) if error.0.to_string() == CA_AS_SERVER => Self::new(
                "its certificate is that of a certificate authority, and AWS_CA_BUNDLE does not contain it",
                "add this certificate to AWS_CA_BUNDLE, or issue one for the server from it",
            ),
            CertificateError::Other(error) => {
                Self::new(format!("its certificate cannot be used ({})", words(&error.0)), REISSUE)
            }
            _ => Self::new(format!("its certificate cannot be used ({})", words(error)), REISSUE),
        }
    }
}

/// The error for a certificate with the basic constraint CA that a server presents as its own.
pub(super) const CA_AS_SERVER: &str = "CaUsedAsEndEntity";

/// Returns the words of the first name in a debug output: `no cipher suites in common` for `NoCipherSuitesInCommon { … }`.
fn words(error: &impl std::fmt::Debug) -> String {
    let shown = format!("{error:?}");
    let name =
        shown.rsplit(['(']).map(|part| part.trim_end_matches(')')).find(|part| !part.is_empty()).unwrap_or(&shown);
    let mut words = String::new();
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && words.ends_with(|before: char| before.is_ascii_lowercase()) {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// Returns the name of a signature algorithm, from the value of its object identifier.
fn algorithm(id: &[u8]) -> &'static str {
    const NAMES: [(&[u8], &str); 5] = [
        (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", "ECDSA and SHA-512 (a P-521 key)"),
        (b"\x2a\x86\x48\xce\x3d\x04\x01", "SHA-1"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "SHA-1"),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", "MD5"),
        (b"\x2b\x65\x71", "Ed448"),
    ];
    // The value can follow its tag and length.
    NAMES
        .iter()
        .find(|(known, _)| id.windows(known.len()).any(|part| part == *known))
        .map_or("an algorithm", |(_, name)| name)
}

/// Returns `localhost` for `DnsName("localhost")`.
fn inside(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, rest)| rest).trim_end_matches(')').trim_matches('"')
}

fn date(time: UnixTime) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{Error, OtherError, PeerIncompatible};

    use super::*;

    fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::from(error.into()))))
    }

    #[test]
    fn each_error_is_described_in_words_and_found_in_an_io_error() {
        for (error, words) in [
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "not signed by a trusted"),
            (Error::InvalidCertificate(CertificateError::UnhandledCriticalExtension), "(unhandled critical extension)"),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), "the alert handshake failure"),
            (Error::AlertReceived(AlertDescription::CertificateRequired), "a client certificate"),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "no common TLS version or algorithm (no cipher suites in common)",
            ),
            (Error::General("secret { debug }".into()), "the TLS handshake failed"),
            (other(CA_AS_SERVER), "that of a certificate authority"),
            (other(io::Error::other("Unknown { text: 1 }")), "its certificate cannot be used"),
        ] {
            let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
            let failure = TlsFailure::find(&wrapped).expect(words);
            assert!(failure.reason.contains(words), "{failure:?}");
            assert!(!failure.reason.contains(['{', '"', '[']), "{failure:?}");
        }
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert!(TlsFailure::find(&eof).expect("eof").reason.contains("closed the connection"));
        assert_eq!(TlsFailure::find(&io::Error::other("connection refused")), None);
    }

    #[test]
    fn names_and_algorithms_are_shown_without_their_encoding() {
        assert_eq!((inside("DnsName(\"a.b\")"), inside("IpAddress(127.0.0.1)")), ("a.b", "127.0.0.1"));
        assert_eq!(algorithm(b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"), "ECDSA and SHA-512 (a P-521 key)");
        assert_eq!(algorithm(b""), "an algorithm");
    }
}
