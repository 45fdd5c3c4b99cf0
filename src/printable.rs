//! Text that is safe to print: as one line of a log, on a terminal, or in a JSON document.
//!
//! Paths, names, claims and messages can contain characters that move the cursor, start another line, or reorder or hide the text
//! around them. Every line that credvend writes for people passes through this module: `observe::telemetry` cleans log lines and
//! the last line on stderr, `command::output` cleans what the commands print. Text that a machine reads, such as credentials, is
//! not cleaned; each format of `export` refuses what it cannot carry.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// Returns `text` as a part of one line: each control character, including line breaks, and each invisible or reordering
/// character becomes visible, as in `\u{1b}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_unprintable, |to, c| write!(to, "\\u{{{:x}}}", u32::from(c)))
}

/// Does the same with a serialized JSON document, whose strings keep their values. Line breaks between tokens stay.
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    // A serializer escapes line breaks in strings.
    let is_unprintable = |c| is_unprintable(c) && c != '\n';
    escape(document, is_unprintable, |to, c| {
        c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(to, "\\u{unit:04x}"))
    })
}

/// Maximum number of characters of a setting's value in a message.
const MAX_VALUE: usize = 80;

/// Returns the value of a setting for a message: a part of one line, of at most 80 characters. Returns `None` if the value looks
/// like a secret, because a secret may have been assigned to the wrong setting.
pub(crate) fn value(text: &str) -> Option<String> {
    if looks_like_a_secret(text) {
        return None;
    }
    Some(short(text))
}

/// Returns a text for a message: a part of one line, of at most 80 characters.
pub(crate) fn short(text: &str) -> String {
    let end = text.char_indices().nth(MAX_VALUE).map(|(at, _)| at);
    let shown = line(&text[..end.unwrap_or(text.len())]);
    if end.is_some() { format!("{shown}…") } else { shown.into_owned() }
}

/// Returns true if the text contains a JWT, an access key, a session token of AWS or a private key, or a run of characters as in
/// a random key. The parts of an ARN can be long, so no run counts there.
pub(crate) fn looks_like_a_secret(text: &str) -> bool {
    let is_marked = ["eyJ", "AKIA", "ASIA", "IQoJ", "FwoG", "-----BEGIN"].iter().any(|mark| text.contains(mark));
    let is_random = |run: &str| {
        let has = |is_kind: fn(&u8) -> bool| run.as_bytes().iter().any(is_kind);
        has(u8::is_ascii_digit)
            && match run.len() {
                0..20 => false,
                20..32 => has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase),
                _ => has(u8::is_ascii_alphabetic),
            }
    };
    let mut runs = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
    is_marked || (!text.starts_with("arn:") && runs.any(is_random))
}

/// Returns true for control characters, for the noncharacters that YAML forbids, and for the invisible format characters of Unicode,
/// among them those of the
/// [bidirectional algorithm](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escape(
    text: &str,
    is_unprintable: impl Fn(char) -> bool,
    write_escaped: impl Fn(&mut String, char) -> fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(&is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_unprintable(c) {
            // Writing to a string cannot fail.
            let _ = write_escaped(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_become_visible() {
        for (text, expected) in [
            ("/var/run/söckets — 100 %", "/var/run/söckets — 100 %"),
            ("a\nb\r\tc\0", r"a\u{a}b\u{d}\u{9}c\u{0}"),
            ("\u{1b}[2J\u{7f}\u{9b}", r"\u{1b}[2J\u{7f}\u{9b}"),
            ("\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}", r"\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}"),
            ("\u{2028}\u{2029}\u{200b}\u{feff}\u{e0041}", r"\u{2028}\u{2029}\u{200b}\u{feff}\u{e0041}"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn values_are_short_lines_and_never_secrets() {
        let long = format!("arn:aws:iam::111111111111:role/{}", "Long1".repeat(20));
        let cut = format!("{}…", &long[..MAX_VALUE]);
        for (text, shown) in [
            ("soon", Some("soon")),
            ("eu-central-1\n", Some(r"eu-central-1\u{a}")),
            ("checkout-service-7d9f8b6c54-x2x4z", Some("checkout-service-7d9f8b6c54-x2x4z")),
            (&long, Some(&cut)),
            ("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", None),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", None),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("arn:aws:iam::111111111111:role/AKIAIOSFODNN7EXAMPLE", None),
            ("0123456789abcdef0123456789abcdef", None),
            ("-----BEGIN PRIVATE KEY-----", None),
        ] {
            assert_eq!(value(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn json_strings_keep_their_values() {
        let value = serde_json::json!({ "a\u{202e}": "x\n\u{1b}\u{7f}\u{9b}\u{2029}\u{e0041}\"\\" });
        let document = serde_json::to_string_pretty(&value).expect("JSON");
        let printed = json(&document);
        assert!(!printed.chars().any(|c| is_unprintable(c) && c != '\n'), "{printed:?}");
        assert_eq!(printed.lines().count(), 3);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("JSON"), value);
    }
}
