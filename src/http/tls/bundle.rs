//! A CA bundle: a file of trusted certificates.
//!
//! Input: the bytes of a PEM file. Output: its certificates, as OpenSSL finds them: after a byte order mark, under the
//! labels `X509 CERTIFICATE` and `TRUSTED CERTIFICATE` too, and without regard to what it cannot decode.
//! In a [trusted certificate](https://docs.openssl.org/3.0/man1/openssl-x509/#trust-settings), settings follow the certificate.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    Anchors,
    verifier::{Fingerprint, fingerprint},
};
use crate::bounded_file::{self, ReadError};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The object identifiers of the uses serverAuth and anyExtendedKeyUsage, with tag and length.
const TLS_SERVER: [&[u8]; 2] = [b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", b"\x06\x04\x55\x1d\x25\x00"];

/// The certificates of a file. Most of them are parsed only when they are needed: a bundle of a Linux distribution costs more than the
/// rest of a command.
#[derive(Debug)]
pub(crate) struct Bundle {
    path: PathBuf,
    /// The content of the file, until it is parsed.
    pem: Mutex<Vec<u8>>,
    anchors: OnceLock<Anchors>,
}

/// Compares the certificates.
impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        self.anchors().fingerprints == other.anchors().fingerprints
    }
}

impl Bundle {
    /// Checks that the content of a file has at least one certificate that can be used as a root. This is the first one, as a rule.
    ///
    /// # Errors
    /// Returns the reason why the bundle cannot be used.
    pub(super) fn new(path: &Path, pem: Vec<u8>) -> Result<Self, String> {
        if bounded_file::is_utf16(&pem) {
            return Err(ReadError::Utf16.to_string());
        }
        if Parsed::new(first_block(&pem)).store.is_empty() {
            let Parsed { store, skipped, .. } = Parsed::new(&pem);
            match skipped {
                0 if store.is_empty() => return Err("it contains no PEM certificate".into()),
                _ if store.is_empty() => return Err("it contains no certificate that can be used as a root".into()),
                _ => {}
            }
        }
        Ok(Self { path: path.to_owned(), pem: Mutex::new(pem), anchors: OnceLock::new() })
    }

    /// Returns the certificates. The first call parses them.
    pub(super) fn anchors(&self) -> &Anchors {
        self.anchors.get_or_init(|| {
            let pem = std::mem::take(&mut *self.pem.lock().unwrap_or_else(PoisonError::into_inner));
            let Parsed { store, fingerprints, skipped } = Parsed::new(&pem);
            if skipped > 0 {
                tracing::debug!(path = %self.path.display(), "certificates of the CA bundle that cannot be parsed: {skipped}");
            }
            Anchors::new(store, fingerprints)
        })
    }
}

/// The certificates in PEM text.
struct Parsed {
    store: RootCertStore,
    fingerprints: Vec<Fingerprint>,
    /// Number of certificates that cannot be used as a root.
    skipped: usize,
}

impl Parsed {
    fn new(pem: &[u8]) -> Self {
        let certificates = certificates(pem);
        let fingerprints = certificates.iter().map(|certificate| fingerprint(certificate)).collect();
        let mut store = RootCertStore::empty();
        let (_, skipped) = store.add_parsable_certificates(certificates);
        Self { store, fingerprints, skipped }
    }
}

/// Returns the start of the text up to the end of its first PEM block.
fn first_block(pem: &[u8]) -> &[u8] {
    const END: &[u8] = b"-----END ";
    let end = pem.windows(END.len()).position(|part| part == END).unwrap_or(pem.len());
    let line = pem[end..].iter().position(|byte| *byte == b'\n').unwrap_or(pem.len() - end);
    &pem[..end + line]
}

/// Returns the certificates that are trusted for TLS servers.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let pem = pem.strip_prefix(BYTE_ORDER_MARK).unwrap_or(pem);
    let pem = match String::from_utf8_lossy(pem) {
        text if text.contains(" TRUSTED CERTIFICATE-----") || text.contains(" X509 CERTIFICATE-----") => Cow::Owned(
            text.replace(" TRUSTED CERTIFICATE-----", " CERTIFICATE-----")
                .replace(" X509 CERTIFICATE-----", " CERTIFICATE-----"),
        ),
        text => text,
    };
    let blocks = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
    blocks.filter_map(|block| trusted(&block).map(|certificate| certificate.to_vec().into())).collect()
}

/// Returns the certificate at the start of a block, unless the settings after it do not trust it for TLS servers.
fn trusted(block: &[u8]) -> Option<&[u8]> {
    let (certificate, settings) = element(block)?;
    let Some((settings, _)) = element(settings) else { return Some(certificate) };
    let uses = content(settings)?;
    let (first, rest) = element(uses).unwrap_or_default();
    // The uses that the certificate is trusted for, then those that it is not trusted for. Both are optional.
    let (allowed, rejected) = match first.first() {
        Some(0x30) => (Some(first), element(rest).unwrap_or_default().0),
        _ => (None, first),
    };
    let names = |uses: &[u8]| TLS_SERVER.iter().any(|id| uses.windows(id.len()).any(|part| part == *id));
    let is_rejected = rejected.first() == Some(&0xA0) && names(rejected);
    (allowed.is_none_or(names) && !is_rejected).then_some(certificate)
}

/// Splits DER into its first element, with tag and length, and the rest.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    der.split_at_checked(header_length(der)?.checked_add(content_length(der)?)?)
}

fn content(element: &[u8]) -> Option<&[u8]> {
    element.get(header_length(element)?..)
}

fn header_length(der: &[u8]) -> Option<usize> {
    let first = *der.get(1)?;
    Some(2 + if first < 0x80 { 0 } else { usize::from(first & 0x7F) })
}

fn content_length(der: &[u8]) -> Option<usize> {
    let first = *der.get(1)?;
    if first < 0x80 {
        return Some(first.into());
    }
    let digits = der.get(2..header_length(der)?).filter(|digits| (1..=4).contains(&digits.len()))?;
    Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    const SERVER: &[u8] = TLS_SERVER[0];
    const CLIENT: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len().to_be_bytes();
        let header = [tag, 0x82, length[length.len() - 2], length[length.len() - 1]];
        [&header[..], content].concat()
    }

    fn block(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// A certificate that can be used as a root.
    fn root() -> String {
        let text = include_str!("../../../tests/it/tls/p521.pem");
        let end = text.find("-----BEGIN PRIVATE").expect("the key after the certificate");
        text[text.find("-----BEGIN").expect("a certificate")..end].to_owned()
    }

    fn bundle(pem: &str) -> Result<Bundle, String> {
        Bundle::new(Path::new("ca.pem"), pem.into())
    }

    #[test]
    fn a_bundle_is_parsed_when_it_is_needed_and_only_once() {
        let certificate = root();
        let unusable = block("CERTIFICATE", b"0\0");
        for pem in [certificate.clone(), format!("{certificate}{unusable}"), format!("{unusable}{certificate}")] {
            let bundle = bundle(&pem).expect("usable");
            assert!(bundle.anchors.get().is_none(), "{pem}");
            let anchors: *const Anchors = bundle.anchors();
            assert!(std::ptr::eq(anchors, bundle.anchors()));
            assert!(bundle.pem.lock().expect("unpoisoned").is_empty(), "its text is not kept");
        }
        assert!(bundle(&unusable).expect_err("unusable").contains("can be used as a root"));
        assert!(bundle("").expect_err("empty").contains("no PEM certificate"));
    }

    #[test]
    fn bundles_with_the_same_certificates_are_equal() {
        let certificate = root();
        let other = format!("{certificate}{}", block("CERTIFICATE", b"0\0"));
        let is_equal = |one: &str, other: &str| bundle(one) == bundle(other);
        assert!(is_equal(&certificate, &format!("# text\n{certificate}")));
        assert!(!is_equal(&certificate, &other));
    }

    #[test]
    fn all_labels_of_openssl_and_a_byte_order_mark_are_read() {
        let certificate = der(0x30, b"certificate");
        for label in ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"] {
            let text = format!("\u{feff}{}# text\n{}", block(label, &certificate), block("PUBLIC KEY", b"x"));
            assert_eq!(certificates(text.as_bytes()), [CertificateDer::from(certificate.as_slice())], "{label}");
        }
        assert!(certificates(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").is_empty());
    }

    #[test]
    fn trust_settings_are_removed_and_respected() {
        let certificate = der(0x30, b"certificate");
        let uses = |tag: u8, ids: &[&[u8]]| der(tag, &ids.concat());
        for (settings, is_trusted) in [
            (vec![], true),
            (uses(0x30, &[CLIENT, SERVER]), true),
            (uses(0x30, &[TLS_SERVER[1]]), true),
            (uses(0x30, &[CLIENT]), false),
            (uses(0xA0, &[CLIENT]), true),
            (uses(0xA0, &[SERVER]), false),
            ([uses(0x30, &[SERVER]), uses(0xA0, &[CLIENT]), der(0x0C, b"alias")].concat(), true),
            ([uses(0x30, &[SERVER]), uses(0xA0, &[SERVER])].concat(), false),
            (der(0x0C, b"alias"), true),
        ] {
            let block = block("TRUSTED CERTIFICATE", &[certificate.clone(), der(0x30, &settings)].concat());
            let expected = is_trusted.then(|| CertificateDer::from(certificate.as_slice()));
            assert_eq!(certificates(block.as_bytes()), Vec::from_iter(expected), "{settings:?}");
        }
    }

    #[test]
    fn truncated_blocks_are_skipped() {
        for block in [&b""[..], b"\x30", b"\x30\x82", b"\x30\x82\x01", b"\x30\x05abc", b"\x30\x80", b"\x30\xff\x01"] {
            assert_eq!(trusted(block), None, "{block:?}");
        }
    }
}
