//! Random bytes and the encodings in which AWS writes identifiers.

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

/// Returns random bytes in standard base64, with `+`, `/` and `=`.
pub(crate) fn base64(byte_count: usize) -> String {
    BASE64_STANDARD.encode(bytes(byte_count))
}

/// Returns a random identifier such as an access key ID: a prefix and `length` characters.
pub(crate) fn identifier(prefix: &str, length: usize) -> String {
    encode_identifier(prefix, &bytes(length))
}

/// Returns an identifier that is always the same for the same name, as role IDs are.
pub(crate) fn stable_identifier(prefix: &str, length: usize, name: &str) -> String {
    encode_identifier(prefix, &Sha256::digest(name.as_bytes())[..length])
}

/// Returns a random version 4 UUID.
pub(crate) fn uuid() -> String {
    as_uuid(&bytes(16))
}

/// Returns a UUID that is always the same for the same name.
pub(crate) fn stable_uuid(name: &str) -> String {
    as_uuid(&Sha256::digest(name.as_bytes())[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode_identifier(prefix: &str, bytes: &[u8]) -> String {
    let tail = bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    prefix.chars().chain(tail).collect()
}

fn as_uuid(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
