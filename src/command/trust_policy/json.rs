//! JSON values inside of YAML and of Terraform's HCL. Both languages accept them, after the changes below.
//!
//! All characters that are not printable ASCII are escaped, and so is the first character of `${` and `%{`, which start a template in
//! HCL. A claim of the token therefore cannot end its string.
//! [YAML](https://yaml.org/spec/1.2.2/#double-quoted-style),
//! [HCL](https://developer.hashicorp.com/terraform/language/expressions/strings).

use std::fmt::Write as _;

use crate::advice::iam::Policy;

/// Returns a quoted string.
pub(super) fn quoted(text: &str) -> String {
    // Strings and policies always serialize.
    embeddable(&serde_json::to_string(text).unwrap_or_default(), 0)
}

/// Returns a list of quoted strings on one line.
pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Returns a policy on several lines. All lines but the first have `indent` spaces before them.
pub(super) fn policy(policy: &Policy, indent: usize) -> String {
    embeddable(&serde_json::to_string_pretty(policy).unwrap_or_default(), indent)
}

fn embeddable(json: &str, indent: usize) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        // Writing to a string cannot fail.
        let _ = match c {
            '\n' => write!(out, "\n{:indent$}", ""),
            '$' | '%' if next == Some('{') => write!(out, "\\u{:04x}", u32::from(c)),
            '\\' => {
                characters.next();
                match next {
                    // HCL does not have these two.
                    Some('b') => write!(out, "\\u0008"),
                    Some('f') => write!(out, "\\u000c"),
                    next => write!(out, "\\{}", next.unwrap_or_default()),
                }
            }
            ' '..='~' => write!(out, "{c}"),
            '\0'..='\u{ffff}' => write!(out, "\\u{:04x}", u32::from(c)),
            _ => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_string_or_starts_a_template() {
        for (text, expected) in [
            ("system:serviceaccount:shop:checkout", "\"system:serviceaccount:shop:checkout\""),
            ("a\"\nb\\", r#""a\"\nb\\""#),
            ("\\b\u{8}\u{c}\u{1}", r#""\\b\u0008\u000c\u0001""#),
            ("${file(\"x\")}%{if}$x", r#""\u0024{file(\"x\")}\u0025{if}$x""#),
            ("$${a}\\${a}", r#""$\u0024{a}\\\u0024{a}""#),
            ("é\u{2028}\u{feff}\u{7f}😀", r#""\u00e9\u2028\ufeff\u007f\U0001f600""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
