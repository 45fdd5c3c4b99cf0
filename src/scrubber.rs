//! Removes secrets and control characters from text that comes from STS, a credentials endpoint or a child process.
//!
//! Error messages may repeat parts of the request: a validation error contains the invalid value, a signature error may
//! contain the canonical request with its session token. The result is safe to log.

use std::{collections::HashSet, hash::Hash};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// Holds the secrets to redact.
pub(crate) struct Scrubber<'a> {
    secrets: Vec<&'a str>,
}

/// Maximum length of the result, in characters.
const MAX_TEXT_LENGTH: usize = 600;

/// How many characters of the text are scanned for each character of the result, because redaction shortens the text.
const SCANNED_PER_CHARACTER: usize = 8;

/// Minimum number of consecutive bytes that count as part of a secret. Shorter secrets are not redacted.
const MIN_MATCH: usize = 12;

impl<'a> Scrubber<'a> {
    pub(crate) fn new(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self { secrets: secrets.into_iter().filter(|secret| secret.len() >= MIN_MATCH).collect() }
    }

    /// Replaces control characters with spaces, redacts all parts of secrets and truncates the text to 600 characters.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.clean_to(MAX_TEXT_LENGTH, text)
    }

    /// Like [`clean`](Self::clean), but truncates the text to `max_length` characters.
    pub(crate) fn clean_to(&self, max_length: usize, text: &str) -> String {
        let end = text.char_indices().nth(SCANNED_PER_CHARACTER * max_length).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        let is_secret = self.find(text.as_bytes());
        let mut clean = String::new();
        let mut length = 0;
        for (at, c) in text.char_indices() {
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

    /// Returns for each byte of the text whether it is part of a secret, as is or percent-encoded.
    fn find(&self, text: &[u8]) -> Vec<bool> {
        let mut is_secret = vec![false; text.len()];
        for secret in &self.secrets {
            for form in [secret.as_bytes(), &percent_encoded(secret)] {
                let found = intersection(text.windows(MIN_MATCH), form.windows(MIN_MATCH));
                for (at, _) in text.windows(MIN_MATCH).enumerate().filter(|(_, part)| found.contains(part)) {
                    is_secret[at..at + MIN_MATCH].fill(true);
                }
            }
        }
        is_secret
    }
}

/// Returns the parts of the text that are also parts of the secret. One pass over each, because both can be long.
fn intersection<P: Eq + Hash>(text: impl Iterator<Item = P>, secret: impl Iterator<Item = P>) -> HashSet<P> {
    let text: HashSet<P> = text.collect();
    secret.filter(|part| text.contains(part)).collect()
}

fn percent_encoded(secret: &str) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(3 * secret.len()));
    for piece in utf8_percent_encode(secret, NON_ALPHANUMERIC) {
        encoded.extend_from_slice(piece.as_bytes());
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, hash::Hasher};

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

    #[test]
    fn text_is_cut_before_it_is_scanned() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ0000.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        let scanned = token.repeat(SCANNED_PER_CHARACTER * MAX_TEXT_LENGTH / token.len());
        let padding = "x".repeat(SCANNED_PER_CHARACTER * MAX_TEXT_LENGTH - scanned.len());
        let text = format!("{scanned}{padding}{}", "not scanned".repeat(100_000));
        assert_eq!(Scrubber::new([token]).clean(&text), format!("[redacted]{padding}"));
    }

    /// A part of a text that counts how often it is hashed and compared.
    #[derive(Clone, Copy)]
    struct Counted<'a>(&'a [u8], &'a Cell<usize>);

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.1.set(self.1.get() + 1);
            self.0.hash(state);
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    #[test]
    fn scanning_takes_linear_time() {
        let steps = |length: u32| {
            let counter = Cell::new(0);
            let random = |seed: u32| {
                let next = move |state: &mut u32| {
                    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    Some((*state >> 24) as u8)
                };
                (0..length).scan(seed, move |state, _| next(state)).collect::<Vec<u8>>()
            };
            let (text, secret) = (random(1), random(2));
            let parts = |bytes| <[u8]>::windows(bytes, MIN_MATCH).map(|part| Counted(part, &counter));
            intersection(parts(&text), parts(&secret));
            counter.get()
        };
        // Each part is hashed once and sometimes compared with another one whose hash is similar.
        for length in [1_000, 10_000, 100_000] {
            assert!(steps(length) < 3 * length as usize, "{} steps for {length} bytes", steps(length));
        }
    }
}
