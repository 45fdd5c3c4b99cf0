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

/// Returns true for control characters and for the invisible format characters of Unicode, among them those of the
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
    fn json_strings_keep_their_values() {
        let value = serde_json::json!({ "a\u{202e}": "x\n\u{1b}\u{7f}\u{9b}\u{2029}\u{e0041}\"\\" });
        let document = serde_json::to_string_pretty(&value).expect("JSON");
        let printed = json(&document);
        assert!(!printed.chars().any(|c| is_unprintable(c) && c != '\n'), "{printed:?}");
        assert_eq!(printed.lines().count(), 3);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("JSON"), value);
    }
}
