//! Checks that several targets share.

use std::time::{Duration, SystemTime};

use credvend::fuzzing::Keys;

/// A secret of the request, which a response may repeat.
pub const SECRET: &str = "fuzz-secret-of-the-request-0123456789";

/// The time of all requests: 2026-11-21T09:00:00Z.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_251_600)
}

/// Checks credentials: all fields have a value that fits into a header and a file, except for fields that may be empty.
pub fn check_keys([id, secret, token, expiry]: &Keys, may_lack_token: bool, may_lack_expiry: bool) {
    let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_visible(id) && is_visible(secret), "access keys");
    assert!(is_visible(token) || (may_lack_token && token.is_empty()), "session token");
    // Dates in this form sort like their texts.
    assert!(expiry.as_str() >= "2026-11-21T09:00:00Z" || (may_lack_expiry && expiry.is_empty()), "expiry");
}

/// Checks the text of an error: one line of bounded length, without any part of the secret.
pub fn check_error(message: &str) {
    assert!(message.len() < 8000 && !message.contains(char::is_control), "{message:?}");
    let parts = SECRET.as_bytes().windows(12);
    assert!(!parts.map(String::from_utf8_lossy).any(|part| message.contains(&*part)), "{message:?}");
}
