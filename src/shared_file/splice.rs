//! Putting credentials into a credentials file that may hold much else.
//!
//! In: the file's bytes and one [`SectionUpdate`] a profile. Out: the new bytes. Nothing in a file makes this fail.
//!
//! Ours are, in the first section of the profile's name, one line for each of [`CREDENTIAL_KEYS`], and directly above
//! its header one comment with the expiry. A line of ours is replaced where it stands, with the indented lines that
//! continued its old value; it is added where it is missing, and its doubles are removed, also from later sections of
//! the same name, which SDKs merge into the first. Other indented lines are not ours, whatever they say.
//! `aws_security_token` is removed, because botocore reads it before `aws_session_token`.

use std::collections::HashMap;

use super::line::{Document, Line, Shape, trim};
use super::{COMMENT_PREFIX, CREDENTIAL_KEYS, SectionUpdate};

const LEGACY_SESSION_TOKEN_KEY: &[u8] = b"aws_security_token";

/// Puts the updates into an existing file; an empty file gives just their sections.
pub(crate) fn splice(existing: &[u8], updates: &[SectionUpdate<'_>]) -> Vec<u8> {
    let document = Document::new(existing);
    let mut output = Output::new(&document, existing.len());
    let mut wanted: HashMap<&[u8], Wanted<'_>> = HashMap::new();
    for update in updates {
        wanted.insert(update.profile.as_bytes(), Wanted { update, is_placed: false });
    }

    for block in document.lines.chunk_by(|_, next| !matches!(next.shape(), Shape::Header(_))) {
        let target = match block[0].shape() {
            Shape::Header(Some(name)) => wanted.get_mut(name),
            _ => None,
        };
        match target {
            None => block.iter().for_each(|line| output.copy(line)),
            Some(Wanted { update, is_placed: is_placed @ false }) => {
                *is_placed = true;
                output.expiry_comment(update);
                output.copy(&block[0]);
                output.body(&block[1..], Some(update));
            }
            Some(_) => {
                output.remove_comments();
                output.copy(&block[0]);
                output.body(&block[1..], None);
            }
        }
    }

    for update in updates {
        if let Some(wanted) = wanted.get_mut(update.profile.as_bytes()).filter(|wanted| !wanted.is_placed) {
            wanted.is_placed = true;
            output.append(wanted.update);
        }
    }
    output.bytes
}

struct Wanted<'a> {
    update: &'a SectionUpdate<'a>,
    is_placed: bool,
}

/// The new file as far as it is written.
struct Output<'a> {
    bytes: Vec<u8>,
    /// Where the text begins, after a byte order mark.
    start: usize,
    line_ending: &'a [u8],
}

impl<'a> Output<'a> {
    fn new(document: &Document<'a>, length: usize) -> Self {
        let mut bytes = Vec::with_capacity(length + 4096);
        bytes.extend_from_slice(document.byte_order_mark);
        Self { start: bytes.len(), bytes, line_ending: document.line_ending() }
    }

    /// A whole section, at the end of the file.
    fn append(&mut self, update: &SectionUpdate<'_>) {
        if !self.last_line().trim_ascii().is_empty() {
            self.line(b"", self.line_ending);
        }
        self.expiry_comment(update);
        self.line(format!("[{}]", update.profile).as_bytes(), self.line_ending);
        self.body(&[], Some(update));
    }

    /// The lines under a header: with ours as `update` says, or without any of ours.
    fn body(&mut self, lines: &[Line<'_>], update: Option<&SectionUpdate<'_>>) {
        let plan = Plan::new(lines);
        let mut parent_is_ours = false;
        for (index, line) in lines.iter().enumerate() {
            if index == plan.insert_at {
                self.missing(&plan, update);
            }
            match line.shape() {
                Shape::Indented(_) if parent_is_ours => {}
                Shape::Property(text) => {
                    let ours = our_key(text);
                    parent_is_ours = ours.is_some();
                    match (ours, update) {
                        (None, _) => self.copy(line),
                        (Some(OurKey::Credential(key)), Some(update)) if plan.kept[key] == Some(index) => {
                            self.property(key, update, line.ending);
                        }
                        (Some(_), _) => {}
                    }
                }
                _ => self.copy(line),
            }
        }
        if plan.insert_at == lines.len() {
            self.missing(&plan, update);
        }
    }

    fn missing(&mut self, plan: &Plan, update: Option<&SectionUpdate<'_>>) {
        let Some(update) = update else { return };
        for key in (0..CREDENTIAL_KEYS.len()).filter(|&key| plan.kept[key].is_none()) {
            self.property(key, update, self.line_ending);
        }
    }

    fn property(&mut self, key: usize, update: &SectionUpdate<'_>, ending: &[u8]) {
        self.line(format!("{} = {}", CREDENTIAL_KEYS[key], update.values[key]).as_bytes(), ending);
    }

    /// The comment above the header that is written next, in place of one of ours that stands there.
    fn expiry_comment(&mut self, update: &SectionUpdate<'_>) {
        let ending = self.remove_comment().unwrap_or(self.line_ending);
        self.line(format!("{COMMENT_PREFIX}these credentials expire at {}", update.expiry).as_bytes(), ending);
    }

    fn remove_comments(&mut self) {
        while self.remove_comment().is_some() {}
    }

    /// Removes the last line if it is a comment of ours; gives its line ending.
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

    fn copy(&mut self, line: &Line<'_>) {
        self.line(line.content, line.ending);
    }

    fn line(&mut self, content: &[u8], ending: &[u8]) {
        // Only the last line of the old file can lack its ending; something new follows it now.
        if self.bytes.len() > self.start && !self.bytes.ends_with(b"\n") {
            let missing = if self.bytes.ends_with(b"\r") { b"\n" } else { self.line_ending };
            self.bytes.extend_from_slice(missing);
        }
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(ending);
    }

    /// With its ending.
    fn last_line(&self) -> &[u8] {
        let text = &self.bytes[self.start..];
        let before_ending = text.strip_suffix(b"\n").unwrap_or(text);
        let begin = before_ending.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        &text[begin..]
    }
}

/// What becomes of the lines under a header.
struct Plan {
    /// For each credential key the first line that has it, which is the one to keep.
    kept: [Option<usize>; CREDENTIAL_KEYS.len()],
    /// The line before which missing keys go: after the last line kept or, where there is none, after the header.
    insert_at: usize,
}

impl Plan {
    fn new(lines: &[Line<'_>]) -> Self {
        let mut kept = [None; CREDENTIAL_KEYS.len()];
        let mut after_strays = 0;
        let mut seen_property = false;
        for (index, line) in lines.iter().enumerate() {
            match line.shape() {
                // Right under a header, where SDKs see nothing to continue. They must not become part of our last
                // value.
                Shape::Indented(_) if !seen_property => after_strays = index + 1,
                Shape::Property(text) => {
                    seen_property = true;
                    if let Some(OurKey::Credential(key)) = our_key(text) {
                        kept[key].get_or_insert(index);
                    }
                }
                _ => {}
            }
        }
        // What continued the last line kept goes with its old value, so that nothing indented follows the new lines.
        let insert_at = kept.iter().flatten().max().map_or(after_strays, |last| last + 1);
        Self { kept, insert_at }
    }
}

enum OurKey {
    /// The index into [`CREDENTIAL_KEYS`].
    Credential(usize),
    LegacySessionToken,
}

fn our_key(text: &[u8]) -> Option<OurKey> {
    // botocore also separates by a colon, and refuses a file in which a key then stands twice.
    let end = text.iter().position(|byte| b"=:".contains(byte))?;
    let key = trim(&text[..end]);
    if key.eq_ignore_ascii_case(LEGACY_SESSION_TOKEN_KEY) {
        return Some(OurKey::LegacySessionToken);
    }
    let index = CREDENTIAL_KEYS.iter().position(|ours| key.eq_ignore_ascii_case(ours.as_bytes()))?;
    Some(OurKey::Credential(index))
}
