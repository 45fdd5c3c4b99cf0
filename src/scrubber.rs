//! Takes secrets and control characters out of text that others wrote: STS, a credentials endpoint, a child process.
//!
//! Such texts repeat what they refuse: a validation error names the value, a signature error may hold the canonical
//! request with its session token. What is left can stand in a log line.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Knows the secrets that must not be repeated.
pub(crate) struct Scrubber<'a> {
    secrets: Vec<Cow<'a, str>>,
}

/// The longest text that is taken over from an answer, in characters.
const LONGEST_TEXT: usize = 600;

/// So many characters in a row that stand in a secret too are a piece of it.
const PIECE: usize = 12;

impl<'a> Scrubber<'a> {
    pub(crate) fn new(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= PIECE) {
            let encoded = Cow::from(utf8_percent_encode(secret, NON_ALPHANUMERIC));
            if encoded != secret {
                forms.push(Cow::Owned(encoded.into_owned()));
            }
            forms.push(Cow::Borrowed(secret));
        }
        Self { secrets: forms }
    }

    /// The text without control characters, without any piece of a secret, and not endless.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.clean_to(LONGEST_TEXT, text)
    }

    /// The same, cut to `longest` characters.
    pub(crate) fn clean_to(&self, longest: usize, text: &str) -> String {
        let end = text.char_indices().nth(8 * longest).map_or(text.len(), |(at, _)| at);
        let bytes = &text.as_bytes()[..end];
        let mut secret = vec![false; bytes.len()];
        for (at, piece) in bytes.windows(PIECE).enumerate() {
            if self.secrets.iter().any(|secret| memmem(secret.as_bytes(), piece)) {
                secret[at..at + PIECE].fill(true);
            }
        }
        let mut clean = String::new();
        let mut length = 0;
        for (at, c) in text[..end].char_indices() {
            if secret[at] {
                if at == 0 || !secret[at - 1] {
                    clean.push_str("[redacted]");
                }
                continue;
            }
            if length == longest {
                clean.push('…');
                break;
            }
            clean.push(if c.is_control() { ' ' } else { c });
            length += 1;
        }
        clean
    }
}

fn memmem(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_texts_in_every_form() {
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
