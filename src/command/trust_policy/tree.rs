//! Values of the configuration languages that `trust-policy` writes: YAML and Terraform's HCL.
//!
//! Both quote a string in the same way. All characters that are not printable ASCII are escaped, and so is the first character of
//! `${` and `%{`, which start a template in HCL. A value therefore cannot end its string, whatever the claims of the token contain.
//! [YAML](https://yaml.org/spec/1.2.2/#double-quoted-style),
//! [HCL](https://developer.hashicorp.com/terraform/language/expressions/strings).

use std::fmt::Write as _;

/// A text, a keyword, a list or a map in the order in which it is written.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// A word that is not quoted, such as `true`.
    Keyword(&'static str),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(Self::text).collect())
    }

    pub(super) fn map<const N: usize>(entries: [(&str, Node); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    }

    /// Adds an entry to a map.
    pub(super) fn push(&mut self, key: &str, node: Node) {
        if let Self::Map(entries) = self {
            entries.push((key.to_owned(), node));
        }
    }

    /// Returns true if a text or a key in this value satisfies `condition`.
    pub(super) fn any_text(&self, condition: fn(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => condition(text),
            Self::Keyword(_) => false,
            Self::List(nodes) => nodes.iter().any(|node| node.any_text(condition)),
            Self::Map(entries) => entries.iter().any(|(key, node)| condition(key) || node.any_text(condition)),
        }
    }

    /// Returns the value as lines of YAML, each with `indent` spaces before it.
    pub(super) fn yaml(&self, indent: usize) -> String {
        let mut out = String::new();
        self.write_yaml(indent, &mut out);
        out
    }

    fn write_yaml(&self, indent: usize, out: &mut String) {
        let mut entry = |start: &str, node: &Node, deeper: usize| {
            let _ = write!(out, "{:indent$}{start}", "");
            match node {
                Self::Text(text) => out.extend([" ", &quoted(text), "\n"]),
                Self::Keyword(keyword) => out.extend([" ", keyword, "\n"]),
                Self::List(nodes) if nodes.is_empty() => out.push_str(" []\n"),
                Self::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
                // The first line of a value in a list follows the hyphen.
                _ if start == "-" => out.extend([" ", node.yaml(deeper).trim_start()]),
                _ => out.extend(["\n", &node.yaml(deeper)]),
            }
        };
        match self {
            Self::Text(_) | Self::Keyword(_) => entry("", self, indent),
            Self::List(nodes) => nodes.iter().for_each(|node| entry("-", node, indent + 2)),
            Self::Map(entries) => {
                entries.iter().for_each(|(key, node)| entry(&format!("{}:", word(key)), node, indent + 2));
            }
        }
    }

    /// Returns the value as an HCL expression. Its further lines have `indent` spaces before them. The signs of equality are aligned
    /// as `terraform fmt` aligns them.
    pub(super) fn hcl(&self, indent: usize) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Keyword(keyword) => (*keyword).to_owned(),
            Self::List(nodes) if nodes.iter().all(|node| matches!(node, Self::Text(_))) => {
                let texts: Vec<String> = nodes.iter().map(|node| node.hcl(0)).collect();
                format!("[{}]", texts.join(", "))
            }
            Self::List(nodes) => {
                let items: Vec<String> =
                    nodes.iter().map(|node| format!("{:1$}{2}", "", indent + 2, node.hcl(indent + 2))).collect();
                format!("[\n{}\n{:indent$}]", items.join(",\n"), "")
            }
            Self::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, node)| (word(key), node.hcl(indent + 2))).collect();
                format!("{{\n{}{:indent$}}}", assignments(&entries, indent + 2), "")
            }
        }
    }
}

/// Returns the lines `name = expression`. Consecutive expressions of one line are aligned.
pub(super) fn assignments(entries: &[(String, String)], indent: usize) -> String {
    let mut out = String::new();
    for group in entries.chunk_by(|(_, one), (_, other)| !one.contains('\n') && !other.contains('\n')) {
        let width = group.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, expression) in group {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{:indent$}{name:width$} = {expression}", "");
        }
    }
    out
}

/// Returns a key as it is written: bare, if it consists of letters and digits.
fn word(key: &str) -> String {
    let is_bare = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(|c| c.is_ascii_alphanumeric());
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// Quotes a string for YAML and HCL.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let starts_template = "$%".contains(c) && characters.peek() == Some(&'{');
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            ' '..='~' if !starts_template => write!(out, "{c}"),
            '\0'..='\u{ffff}' => write!(out, "\\u{:04x}", u32::from(c)),
            _ => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_string_or_starts_a_template() {
        for (text, expected) in [
            ("system:serviceaccount:shop:checkout", "\"system:serviceaccount:shop:checkout\""),
            ("a\"\nb\\", "\"a\\\"\\u000ab\\\\\""),
            ("${file(\"x\")}%{if}$x", "\"\\u0024{file(\\\"x\\\")}\\u0025{if}$x\""),
            ("$${a}", "\"$\\u0024{a}\""),
            ("é\u{2028}\u{feff}😀", "\"\\u00e9\\u2028\\ufeff\\U0001f600\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn values_are_written_in_both_languages() {
        let value = Node::map([
            ("Name", Node::text("a")),
            ("List", Node::List(vec![Node::map([("One", Node::text("1")), ("a:b", Node::text("2"))])])),
            ("Empty", Node::texts(&[])),
        ]);
        let yaml = "Name: \"a\"\nList:\n  - One: \"1\"\n    \"a:b\": \"2\"\nEmpty: []\n";
        assert_eq!(value.yaml(0), yaml);
        let hcl = "{\n  Name = \"a\"\n  List = [\n    {\n      One   = \"1\"\n      \"a:b\" = \"2\"\n    }\n  ]\n  Empty = []\n}";
        assert_eq!(value.hcl(0), hcl);
    }
}
