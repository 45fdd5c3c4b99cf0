//! Splits a shared file into lines and classifies them as an SDK does.
//!
//! Input: the bytes of a file. Output: its lines, each with content, line ending and [`Shape`]. The module works on
//! bytes because comments and sections of other programs may contain invalid UTF-8.

use memchr::{memchr_iter, memchr2_iter};

use super::syntax_error::Problem;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The lines of a file. The byte order mark followed by the content and ending of each line is the original file.
pub(super) struct Document<'a> {
    /// The UTF-8 byte order mark that some editors write, or empty.
    pub(super) byte_order_mark: &'a [u8],
    pub(super) lines: Vec<Line<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let byte_order_mark = &bytes[..bytes.len() - text.len()];
        let mut lines = Vec::with_capacity(memchr_iter(b'\n', text).count() + 1);
        let mut start = 0;
        for end in memchr_iter(b'\n', text).map(|newline| newline + 1).chain([text.len()]) {
            if start < end {
                lines.push(Line::new(lines.len() + 1, &text[start..end]));
            }
            start = end;
        }
        Self { byte_order_mark, lines }
    }

    /// Returns the line ending of the first line, or `\n` if it has none.
    pub(super) fn line_ending(&self) -> &'a [u8] {
        match self.lines.first() {
            Some(line) if !line.ending.is_empty() => line.ending,
            _ => b"\n",
        }
    }
}

pub(super) struct Line<'a> {
    /// Line number, from 1.
    pub(super) number: usize,
    pub(super) content: &'a [u8],
    /// `\n`, `\r\n`, or empty for an unterminated last line.
    pub(super) ending: &'a [u8],
}

/// The kind of a line, determined without the lines above it.
pub(super) enum Shape<'a> {
    Blank,
    Comment,
    /// The trimmed text between the brackets. `None` if `]` is missing or followed by anything but a comment.
    Header(Option<&'a [u8]>),
    /// The trimmed text of a line that starts with white space. Its meaning depends on the lines above.
    Indented(&'a [u8]),
    /// The trimmed text of any other line, without a trailing comment.
    Property(&'a [u8]),
}

impl<'a> Line<'a> {
    fn new(number: usize, line: &'a [u8]) -> Self {
        let length = match line {
            [content @ .., b'\r', b'\n'] | [content @ .., b'\n'] => content.len(),
            content => content.len(),
        };
        let (content, ending) = line.split_at(length);
        Self { number, content, ending }
    }

    pub(super) fn shape(&self) -> Shape<'a> {
        // In a file truncated between `\r` and `\n`, the `\r` is part of the line ending and not of the value.
        let content = match self.content {
            [content @ .., b'\r'] if self.ending.is_empty() => content,
            content => content,
        };
        let text = trim(content);
        match content.first() {
            _ if text.is_empty() => Shape::Blank,
            Some(b'#' | b';') => Shape::Comment,
            Some(b'[') => Shape::Header(header(text)),
            Some(b' ' | b'\t') => Shape::Indented(text),
            _ => Shape::Property(without_comment(text)),
        }
    }
}

fn header(text: &[u8]) -> Option<&[u8]> {
    // Names contain no comment characters, so the first one ends the header, even without white space before it.
    let end = text.iter().position(|&byte| is_comment_start(byte)).unwrap_or(text.len());
    let inside = trim(&text[..end]).strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some(trim(inside))
}

/// Removes a trailing comment. In a value, a comment must follow white space: `a#b` is a value.
pub(super) fn without_comment(text: &[u8]) -> &[u8] {
    let mut starts = memchr2_iter(b'#', b';', text);
    let comment = starts.find(|&start| start > 0 && is_white_space(text[start - 1]));
    comment.map_or(text, |start| trim(&text[..start]))
}

/// Splits `name = value` into name and value.
pub(super) fn name_and_value(text: &[u8]) -> Result<(&[u8], &[u8]), Problem> {
    let equals = text.iter().position(|&byte| byte == b'=').ok_or(Problem::MissingEquals)?;
    let name = trim(&text[..equals]);
    if name.is_empty() {
        return Err(Problem::EmptyName);
    }
    Ok((name, trim(&text[equals + 1..])))
}

/// Returns true for a valid name of a section or property.
pub(super) fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-/.%@:+".contains(byte))
}

pub(super) fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_comment_start(byte: u8) -> bool {
    matches!(byte, b'#' | b';')
}

pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_white_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| !is_white_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}
