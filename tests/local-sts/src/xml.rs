//! The XML documents of STS responses.

/// An XML element with text or children.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    name: &'static str,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    pub(crate) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, content: Content::Text(text.into()) }
    }

    pub(crate) fn parent(name: &'static str, children: Vec<Element>) -> Self {
        Self { name, content: Content::Children(children) }
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let name = self.name;
        match &self.content {
            Content::Text(text) => out.push_str(&format!("{indent}<{name}>{}</{name}>\n", escape(text))),
            Content::Children(children) => {
                out.push_str(&format!("{indent}<{name}>\n"));
                for child in children {
                    child.write(out, depth + 1);
                }
                out.push_str(&format!("{indent}</{name}>\n"));
            }
        }
    }
}

/// Returns a document in the namespace of STS.
pub(crate) fn document(root: &str, children: &[Element]) -> String {
    let mut out = format!("<{root} xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n");
    for child in children {
        child.write(&mut out, 1);
    }
    out.push_str(&format!("</{root}>\n"));
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML parsers convert an unescaped carriage return to a line feed.
            '\r' => out.push_str("&#xD;"),
            // XML 1.0 cannot represent these characters.
            control if control < ' ' && control != '\n' && control != '\t' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let document = document("R", &[Element::parent("A", vec![Element::text("B", "<&>\"\r\u{1}")])]);
        assert_eq!(
            document,
            "<R xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <A>\n    <B>&lt;&amp;&gt;&quot;&#xD;\u{fffd}</B>\n  </A>\n</R>\n"
        );
    }
}
