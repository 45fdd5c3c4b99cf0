//! Unguessable bytes, and the alphabets AWS writes them in.

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Random standard base64 with its `+`, `/` and `=`.
pub(crate) fn base64(byte_count: usize) -> String {
    BASE64_STANDARD.encode(bytes(byte_count))
}

/// A random identifier such as an access key ID: a prefix and `length` characters.
pub(crate) fn identifier(prefix: &str, length: usize) -> String {
    spell(prefix, &bytes(length))
}

/// An identifier which is always the same for the same name, as role IDs are.
pub(crate) fn stable_identifier(prefix: &str, length: usize, name: &str) -> String {
    spell(prefix, &Sha256::digest(name.as_bytes())[..length])
}

/// A random version 4 UUID.
pub(crate) fn uuid() -> String {
    as_uuid(&bytes(16))
}

/// A UUID which is always the same for the same name.
pub(crate) fn stable_uuid(name: &str) -> String {
    as_uuid(&Sha256::digest(name.as_bytes())[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spell(prefix: &str, bytes: &[u8]) -> String {
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
