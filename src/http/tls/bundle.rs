//! Finds the certificates in a CA bundle.
//!
//! Input: the bytes of a PEM file. Output: its certificates in DER, as OpenSSL finds them: after a byte order mark, under the
//! labels `X509 CERTIFICATE` and `TRUSTED CERTIFICATE` too, and without regard to what it cannot decode.
//! In a [trusted certificate](https://docs.openssl.org/3.0/man1/openssl-x509/#trust-settings), settings follow the certificate.

use std::borrow::Cow;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The object identifiers of the uses serverAuth and anyExtendedKeyUsage, with tag and length.
const TLS_SERVER: [&[u8]; 2] = [b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", b"\x06\x04\x55\x1d\x25\x00"];

/// Returns the certificates that are trusted for TLS servers.
pub(super) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
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
