//! Removes secrets and control characters from text that comes from STS, a credentials endpoint or a child process.
//!
//! Error messages may repeat parts of the request: a validation error contains the invalid value, a signature error may
//! contain the canonical request with its session token. The result is safe to log.

use std::{borrow::Cow, collections::HashSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Holds the secrets to redact.
pub(crate) struct Scrubber<'a> {
    /// Each secret as is and, if that differs, percent-encoded.
    secrets: Vec<Cow<'a, str>>,
}

/// Maximum length of the result, in characters.
const MAX_TEXT_LENGTH: usize = 600;

/// Minimum number of consecutive bytes that count as part of a secret. Shorter secrets are not redacted.
const MIN_MATCH: usize = 12;

impl<'a> Scrubber<'a> {
    pub(crate) fn new(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= MIN_MATCH) {
            let encoded = Cow::from(utf8_percent_encode(secret, NON_ALPHANUMERIC));
            if encoded != secret {
                forms.push(Cow::Owned(encoded.into_owned()));
            }
            forms.push(Cow::Borrowed(secret));
        }
        Self { secrets: forms }
    }

    /// Replaces control characters with spaces, redacts all parts of secrets and truncates the text to 600 characters.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.clean_to(MAX_TEXT_LENGTH, text)
    }

    /// Like [`clean`](Self::clean), but truncates the text to `max_length` characters.
    pub(crate) fn clean_to(&self, max_length: usize, text: &str) -> String {
        let end = text.char_indices().nth(8 * max_length).map_or(text.len(), |(at, _)| at);
        let bytes = &text.as_bytes()[..end];
        let mut is_secret = vec![false; bytes.len()];
        // One pass over the secrets and one over the text: an error response and a token can both be long.
        let parts: HashSet<&[u8]> =
            self.secrets.iter().flat_map(|secret| secret.as_bytes().windows(MIN_MATCH)).collect();
        for (at, part) in bytes.windows(MIN_MATCH).enumerate() {
            if parts.contains(part) {
                is_secret[at..at + MIN_MATCH].fill(true);
            }
        }
        let mut clean = String::new();
        let mut length = 0;
        for (at, c) in text[..end].char_indices() {
            if is_secret[at] {
                if at == 0 || !is_secret[at - 1] {
                    clean.push_str("[redacted]");
                }
                continue;
            }
            if length == max_length {
                clean.push('…');
                break;
            }
            clean.push(if c.is_control() { ' ' } else { c });
            length += 1;
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_plain_partial_and_encoded() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ0000.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        let session = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVz+/=";
        let scrubber = Scrubber::new([token, session, ""]);
        let text = format!(
            "Value '{token}' or eyJzdWIiOiJhcHAifQ0000 and {session} {} {}\r\nnext",
            &token[..20],
            utf8_percent_encode(session, NON_ALPHANUMERIC)
        );
        assert_eq!(
            scrubber.clean(&text),
            "Value '[redacted]' or [redacted] and [redacted] [redacted] [redacted]  next"
        );
        assert_eq!(scrubber.clean(&"x".repeat(601)).chars().count(), 601);
    }
}
