//! Writes credentials into a credentials file and preserves everything else in it.
//!
//! Input: the bytes of the file and one [`SectionUpdate`] per profile. Output: the new bytes. It never fails,
//! regardless of the content of the file.
//!
//! credvend owns these lines: in the first section of a profile whose header is the same to botocore, one line for each of
//! [`CREDENTIAL_KEYS`], and directly above the header one comment with the expiry. An existing line is replaced in place,
//! including the indented lines that continue its old value. Missing lines are added. Duplicates are removed, also from other
//! sections with the same name, because SDKs merge those. All other indented lines are preserved. `aws_security_token` is
//! removed because botocore prefers it to `aws_session_token`.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::line::{Document, Line, Shape, trim};
use super::{COMMENT_PREFIX, CREDENTIAL_KEYS, SectionUpdate};

pub(super) const LEGACY_SESSION_TOKEN_KEY: &str = "aws_security_token";

/// Applies the updates to the content of a file, which may be empty.
pub(crate) fn splice(existing: &[u8], updates: &[SectionUpdate<'_>]) -> Zeroizing<Vec<u8>> {
    let document = Document::new(existing);
    let mut output =
        Output::new(&document, existing.len() + updates.iter().map(SectionUpdate::max_length).sum::<usize>());
    let mut pending: HashMap<&[u8], PendingUpdate<'_>> = HashMap::new();
    for update in updates {
        pending.insert(update.profile.as_bytes(), PendingUpdate { update, is_applied: false });
    }

    for block in document.lines.chunk_by(|_, next| !matches!(next.shape(), Shape::Header(_))) {
        let target = match block[0].shape() {
            Shape::Header(Some(name)) => pending.get_mut(name),
            _ => None,
        };
        match target {
            None => block.iter().for_each(|line| output.copy_line(line)),
            Some(PendingUpdate { update, is_applied: is_applied @ false }) if is_exact(&block[0], update.profile) => {
                *is_applied = true;
                output.write_expiry_comment(update);
                output.copy_line(&block[0]);
                output.write_body(&block[1..], Some(update));
            }
            Some(_) => {
                output.remove_comments();
                output.copy_line(&block[0]);
                output.write_body(&block[1..], None);
            }
        }
    }

    for update in updates {
        if let Some(pending) = pending.get_mut(update.profile.as_bytes()).filter(|pending| !pending.is_applied) {
            pending.is_applied = true;
            output.append_section(pending.update);
        }
    }
    output.bytes
}

/// Returns true if the header has this name to botocore too: white space inside the brackets is part of the name, and the last `]`
/// ends it, even in a comment.
fn is_exact(header: &Line<'_>, name: &str) -> bool {
    let rest = header.content.strip_prefix(b"[").and_then(|rest| rest.strip_prefix(name.as_bytes()));
    rest.and_then(|rest| rest.strip_prefix(b"]")).is_some_and(|rest| !rest.contains(&b']'))
}

/// A section whose credentials are to be removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClearedSection<'a> {
    pub(crate) name: &'a str,
    /// True if credvend created the section. It is removed if it has no other lines.
    pub(crate) is_created: bool,
}

/// Returns true if a file has a section of this name, so that [`splice`] does not create it.
pub(crate) fn has_section(existing: &[u8], name: &str) -> bool {
    let is_header = |line: &Line<'_>| matches!(line.shape(), Shape::Header(Some(_))) && is_exact(line, name);
    Document::new(existing).lines.iter().any(is_header)
}

/// Removes the lines that credvend owns from the given sections of a file.
pub(crate) fn clear(existing: &[u8], cleared: &[ClearedSection<'_>]) -> Zeroizing<Vec<u8>> {
    let document = Document::new(existing);
    let mut output = Output::new(&document, existing.len());
    for block in document.lines.chunk_by(|_, next| !matches!(next.shape(), Shape::Header(_))) {
        let section = match block[0].shape() {
            Shape::Header(Some(name)) => cleared.iter().find(|section| section.name.as_bytes() == name),
            _ => None,
        };
        match section {
            Some(section) => output.clear_section(block, section.is_created && is_exact(&block[0], section.name)),
            None => block.iter().for_each(|line| output.copy_line(line)),
        }
    }
    output.bytes
}

struct PendingUpdate<'a> {
    update: &'a SectionUpdate<'a>,
    is_applied: bool,
}

/// The new content of the file, while it is written.
struct Output<'a> {
    /// Wiped when dropped. It never grows, because that would leave unwiped copies behind.
    bytes: Zeroizing<Vec<u8>>,
    /// Start of the text, after a byte order mark.
    start: usize,
    line_ending: &'a [u8],
}

impl<'a> Output<'a> {
    fn new(document: &Document<'a>, max_length: usize) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(max_length));
        bytes.extend_from_slice(document.byte_order_mark);
        Self { start: bytes.len(), bytes, line_ending: document.line_ending() }
    }

    /// Appends a complete section to the end of the file.
    fn append_section(&mut self, update: &SectionUpdate<'_>) {
        if !self.last_line().trim_ascii().is_empty() {
            self.write_line::<&[u8]>(&[], self.line_ending);
        }
        self.write_expiry_comment(update);
        self.write_line(&["[", update.profile, "]"], self.line_ending);
        self.write_body(&[], Some(update));
    }

    /// Writes a section without credentials; without its header too if `is_created` and only comments are left, which may
    /// belong to the next section.
    fn clear_section(&mut self, block: &[Line<'_>], is_created: bool) {
        self.remove_comments();
        let before = self.bytes.len();
        self.copy_line(&block[0]);
        let body = self.bytes.len();
        self.write_body(&block[1..], None);
        let is_empty = |line: &Line<'_>| matches!(line.shape(), Shape::Blank | Shape::Comment);
        if is_created && Document::new(&self.bytes[body..]).lines.iter().all(is_empty) {
            self.bytes.drain(before..body);
        }
    }

    /// Writes the lines below a header, with the credentials of `update` or, for `None`, without credentials.
    fn write_body(&mut self, lines: &[Line<'_>], update: Option<&SectionUpdate<'_>>) {
        let plan = Plan::new(lines);
        let mut parent_is_owned = false;
        for (index, line) in lines.iter().enumerate() {
            if index == plan.insert_at {
                self.write_missing(&plan, update);
            }
            match line.shape() {
                Shape::Indented(_) if parent_is_owned => {}
                Shape::Property(text) => {
                    let owned = owned_key(text);
                    parent_is_owned = owned.is_some();
                    match (owned, update) {
                        (None, _) => self.copy_line(line),
                        (Some(OwnedKey::Credential(key)), Some(update)) if plan.kept[key] == Some(index) => {
                            self.write_property(key, update, line.ending);
                        }
                        (Some(_), _) => {}
                    }
                }
                _ => self.copy_line(line),
            }
        }
        if plan.insert_at == lines.len() {
            self.write_missing(&plan, update);
        }
    }

    fn write_missing(&mut self, plan: &Plan, update: Option<&SectionUpdate<'_>>) {
        let Some(update) = update else { return };
        for key in (0..CREDENTIAL_KEYS.len()).filter(|&key| plan.kept[key].is_none()) {
            self.write_property(key, update, self.line_ending);
        }
    }

    fn write_property(&mut self, key: usize, update: &SectionUpdate<'_>, ending: &[u8]) {
        self.write_line(&[CREDENTIAL_KEYS[key], " = ", update.values[key]], ending);
    }

    /// Writes the comment with the expiry, which replaces an existing comment of credvend in the line above.
    fn write_expiry_comment(&mut self, update: &SectionUpdate<'_>) {
        let ending = self.remove_comment().unwrap_or(self.line_ending);
        self.write_line(&[COMMENT_PREFIX, "these credentials expire at ", update.expiry], ending);
    }

    fn remove_comments(&mut self) {
        while self.remove_comment().is_some() {}
    }

    /// Removes the last line if it is a comment of credvend. Returns the line ending of the removed line.
    fn remove_comment(&mut self) -> Option<&'static [u8]> {
        let last = self.last_line();
        if !last.starts_with(COMMENT_PREFIX.as_bytes()) {
            return None;
        }
        let ending: &[u8] = if last.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        let length = self.bytes.len() - last.len();
        self.bytes.truncate(length);
        Some(ending)
    }

    fn copy_line(&mut self, line: &Line<'_>) {
        self.write_line(&[line.content], line.ending);
    }

    fn write_line<T: AsRef<[u8]>>(&mut self, content: &[T], ending: &[u8]) {
        // The last line of the old file may lack a line ending; add it because a line follows.
        if self.bytes.len() > self.start && !self.bytes.ends_with(b"\n") {
            let missing = if self.bytes.ends_with(b"\r") { b"\n" } else { self.line_ending };
            self.bytes.extend_from_slice(missing);
        }
        for part in content {
            self.bytes.extend_from_slice(part.as_ref());
        }
        self.bytes.extend_from_slice(ending);
    }

    /// Returns the last line with its line ending.
    fn last_line(&self) -> &[u8] {
        let text = &self.bytes[self.start..];
        let before_ending = text.strip_suffix(b"\n").unwrap_or(text);
        let begin = before_ending.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        &text[begin..]
    }
}

/// Which lines below a header to keep and where to add missing lines.
struct Plan {
    /// For each credential key, the index of its first line, which is kept.
    kept: [Option<usize>; CREDENTIAL_KEYS.len()],
    /// The index at which missing keys are inserted: after the last line kept, or after the header.
    insert_at: usize,
}

impl Plan {
    fn new(lines: &[Line<'_>]) -> Self {
        let mut kept = [None; CREDENTIAL_KEYS.len()];
        let mut after_indented = 0;
        let mut seen_property = false;
        for (index, line) in lines.iter().enumerate() {
            match line.shape() {
                // Indented lines directly below a header continue no value. Insert after them, otherwise they would
                // continue the last value inserted.
                Shape::Indented(_) if !seen_property => after_indented = index + 1,
                Shape::Property(text) => {
                    seen_property = true;
                    if let Some(OwnedKey::Credential(key)) = owned_key(text) {
                        kept[key].get_or_insert(index);
                    }
                }
                _ => {}
            }
        }
        // Continuation lines of the last line kept are removed with its old value, so no indented line follows the
        // insertion.
        let insert_at = kept.iter().flatten().max().map_or(after_indented, |last| last + 1);
        Self { kept, insert_at }
    }
}

enum OwnedKey {
    /// The index into [`CREDENTIAL_KEYS`].
    Credential(usize),
    LegacySessionToken,
}

fn owned_key(text: &[u8]) -> Option<OwnedKey> {
    // botocore also accepts a colon as separator and refuses a file with duplicate keys.
    let end = text.iter().position(|byte| b"=:".contains(byte))?;
    let key = trim(&text[..end]);
    if key.eq_ignore_ascii_case(LEGACY_SESSION_TOKEN_KEY.as_bytes()) {
        return Some(OwnedKey::LegacySessionToken);
    }
    let index =
        CREDENTIAL_KEYS.iter().position(|credential_key| key.eq_ignore_ascii_case(credential_key.as_bytes()))?;
    Some(OwnedKey::Credential(index))
}
