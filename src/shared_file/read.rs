//! Parses a shared file as an SDK does.
//!
//! Input: the kind of the file and its bytes. Output: a [`SharedFile`], or the first line for which an SDK refuses the
//! file. The syntax of skipped sections and properties is checked too, as SDKs do.

use super::line::{
    Document, Line, Shape, is_comment_start, is_valid_name, is_white_space, name_and_value, trim, without_comment,
};
use super::syntax_error::{Problem, SyntaxError};
use super::{COMMENT_PREFIX, FileKind, Property, Section, SharedFile, Warning};
use crate::bounded_file::is_utf16;

/// Parses a file as an SDK does.
///
/// # Errors
/// Returns the first line that an SDK would refuse.
pub(crate) fn read(kind: FileKind, bytes: &[u8]) -> Result<SharedFile, SyntaxError> {
    if is_utf16(bytes) {
        return Err(SyntaxError { line: 1, problem: Problem::Utf16 });
    }
    let mut reader = Reader::new(kind);
    let mut line_above: &[u8] = b"";
    for line in Document::new(bytes).lines {
        reader.line(&line, line_above).map_err(|problem| SyntaxError { line: line.number, problem })?;
        line_above = line.content;
    }
    Ok(reader.file)
}

struct Reader {
    kind: FileKind,
    file: SharedFile,
    location: Location,
    parent: Parent,
    /// True after `[profile default]`, which replaces `[default]`.
    has_prefixed_default: bool,
}

/// The section that contains the current line.
#[derive(Clone, Copy)]
enum Location {
    Outside,
    Skipped,
    Profile(usize),
    Services(usize),
}

/// The property that an indented line belongs to.
enum Parent {
    Nothing,
    Skipped { is_empty: bool },
    Property { key: String, is_empty: bool },
}

impl Reader {
    fn new(kind: FileKind) -> Self {
        Self {
            kind,
            file: SharedFile::default(),
            location: Location::Outside,
            parent: Parent::Nothing,
            has_prefixed_default: false,
        }
    }

    fn line(&mut self, line: &Line<'_>, line_above: &[u8]) -> Result<(), Problem> {
        match line.shape() {
            // Neither ends a property: a continuation line may follow.
            Shape::Blank | Shape::Comment => Ok(()),
            Shape::Header(None) => Err(Problem::UnclosedHeader),
            Shape::Header(Some(header)) => {
                self.parent = Parent::Nothing;
                self.location = self.enter(header, line.number);
                if let Some(section) = self.section() {
                    section.written_by_us |= line_above.starts_with(COMMENT_PREFIX.as_bytes());
                }
                Ok(())
            }
            Shape::Property(text) => self.property(text, line.number),
            Shape::Indented(text) => self.indented(text, line.number),
        }
    }

    /// Returns the section that a header starts.
    fn enter(&mut self, header: &[u8], line: usize) -> Location {
        let space = header.iter().position(|&byte| is_white_space(byte));
        let (prefix, name) = space.map_or((None, header), |end| (Some(&header[..end]), trim(&header[end..])));
        let shown = printable(header);
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_valid_name(name.as_bytes())) else {
            return self.skip(
                line,
                format!("section [{shown}] is ignored: its name may contain only letters, digits and _-/.%@:+"),
            );
        };
        match (self.kind, prefix) {
            (FileKind::Config, None) if name == "default" => {
                if self.has_prefixed_default {
                    return self.skip(line, "section [default] is ignored: [profile default] replaces it".to_owned());
                }
                self.profile(name, line)
            }
            (FileKind::Config, Some(b"profile")) if name == "default" && !self.has_prefixed_default => {
                self.has_prefixed_default = true;
                self.replace_default(line);
                self.profile(name, line)
            }
            (FileKind::Config, Some(b"profile")) | (FileKind::Credentials, None) => self.profile(name, line),
            (FileKind::Config, Some(b"services")) => {
                Location::Services(self.file.services.position_or_add(name, self.kind, line))
            }
            // A valid section that credvend does not use.
            (FileKind::Config, Some(b"sso-session")) => Location::Skipped,
            (FileKind::Config, None) => self.skip(
                line,
                format!("section [{shown}] is ignored: in a config file the section of a profile is [profile {name}]"),
            ),
            (FileKind::Config, Some(_)) => {
                self.skip(line, format!("section [{shown}] is ignored: its kind is unknown"))
            }
            (FileKind::Credentials, Some(b"profile")) => self.skip(
                line,
                format!("section [{shown}] is ignored: in a credentials file the section of a profile is [{name}]"),
            ),
            (FileKind::Credentials, Some(_)) => {
                self.skip(line, format!("section [{shown}] is ignored: a credentials file may contain only profiles"))
            }
        }
    }

    fn profile(&mut self, name: &str, line: usize) -> Location {
        Location::Profile(self.file.profiles.position_or_add(name, self.kind, line))
    }

    /// Empties a `[default]` section above `[profile default]`.
    fn replace_default(&mut self, line: usize) {
        if let Some(&position) = self.file.profiles.positions.get("default") {
            let replaced = &mut self.file.profiles.sections[position];
            let replaced_line = replaced.line;
            *replaced = Section::new("default", self.kind, line);
            self.warn(
                replaced_line,
                format!("section [default] is ignored: [profile default] in line {line} replaces it"),
            );
        }
    }

    fn property(&mut self, text: &[u8], line: usize) -> Result<(), Problem> {
        if let Location::Outside = self.location {
            return Err(Problem::OutsideSection);
        }
        let (name, value) = name_and_value(text)?;
        let is_empty = value.is_empty();
        self.parent = Parent::Skipped { is_empty };
        let file = self.kind;
        let Some(section) = self.section() else {
            return Ok(());
        };
        if !is_valid_name(name) {
            // Do not show the name: it may be a key and its value without a `=` between them.
            self.warn(line, "a property is ignored: its name may contain only letters, digits and _-/.%@:+".to_owned());
            return Ok(());
        }
        let key = lower_case(name);
        let value = utf8_text(value)?.to_owned();
        section.properties.insert(key.clone(), Property { file, line, value, nested: Default::default() });
        self.parent = Parent::Property { key, is_empty };
        Ok(())
    }

    fn indented(&mut self, text: &[u8], line: usize) -> Result<(), Problem> {
        let continues_value =
            matches!(self.parent, Parent::Skipped { is_empty: false } | Parent::Property { is_empty: false, .. });
        if !continues_value && is_comment_start(text[0]) {
            self.warn(
                line,
                "an indented comment is ignored; start it in the first column, because some SDKs refuse the file"
                    .to_owned(),
            );
            return Ok(());
        }
        let parent = std::mem::replace(&mut self.parent, Parent::Nothing);
        match &parent {
            Parent::Nothing => return Err(Problem::NothingToContinue),
            Parent::Skipped { is_empty } => {
                if *is_empty {
                    name_and_value(without_comment(text))?;
                }
            }
            Parent::Property { key, is_empty } => {
                if let Some(property) = self.section().and_then(|section| section.properties.get_mut(key)) {
                    if *is_empty {
                        let (name, value) = name_and_value(without_comment(text))?;
                        property.nested.insert(lower_case(name), utf8_text(value)?.to_owned());
                    } else {
                        // A comment character in a continuation is part of the value.
                        property.value.push('\n');
                        property.value.push_str(utf8_text(text)?);
                    }
                }
            }
        }
        self.parent = parent;
        Ok(())
    }

    fn section(&mut self) -> Option<&mut Section> {
        match self.location {
            Location::Outside | Location::Skipped => None,
            Location::Profile(position) => self.file.profiles.sections.get_mut(position),
            Location::Services(position) => self.file.services.sections.get_mut(position),
        }
    }

    fn skip(&mut self, line: usize, text: String) -> Location {
        self.warn(line, text);
        Location::Skipped
    }

    fn warn(&mut self, line: usize, text: String) {
        self.file.warnings.push(Warning { file: self.kind, line, text });
    }
}

fn utf8_text(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| Problem::NotUtf8)
}

fn lower_case(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// Escapes a header for log messages and truncates it to 64 characters.
fn printable(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let mut shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}
