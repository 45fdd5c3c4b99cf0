//! Reading a shared file as an SDK does.
//!
//! In: the kind of the file and its bytes. Out: a [`SharedFile`], or the first line for which an SDK refuses the file.
//! A section or a property that is skipped is still held to the syntax, as SDKs hold it.

use super::line::{
    Document, Line, Shape, is_comment_start, is_valid_name, is_white_space, name_and_value, trim, without_comment,
};
use super::syntax_error::{Problem, SyntaxError};
use super::{COMMENT_PREFIX, FileKind, Property, Section, SharedFile, Warning};

/// Reads a file as an SDK does.
pub(crate) fn read(kind: FileKind, bytes: &[u8]) -> Result<SharedFile, SyntaxError> {
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
    place: Place,
    parent: Parent,
    /// `[profile default]` was seen, so `[default]` no longer counts.
    default_is_prefixed: bool,
}

/// The section that the current line is in.
#[derive(Clone, Copy)]
enum Place {
    Outside,
    Skipped,
    Profile(usize),
    Services(usize),
}

/// The property that an indented line would belong to.
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
            place: Place::Outside,
            parent: Parent::Nothing,
            default_is_prefixed: false,
        }
    }

    fn line(&mut self, line: &Line<'_>, line_above: &[u8]) -> Result<(), Problem> {
        match line.shape() {
            // Neither ends a property: a continuation may still follow.
            Shape::Blank | Shape::Comment => Ok(()),
            Shape::Header(None) => Err(Problem::UnclosedHeader),
            Shape::Header(Some(header)) => {
                self.parent = Parent::Nothing;
                self.place = self.enter(header, line.number);
                if let Some(section) = self.section() {
                    section.written_by_us |= line_above.starts_with(COMMENT_PREFIX.as_bytes());
                }
                Ok(())
            }
            Shape::Property(text) => self.property(text, line.number),
            Shape::Indented(text) => self.indented(text, line.number),
        }
    }

    /// Finds the place that a header leads to.
    fn enter(&mut self, header: &[u8], line: usize) -> Place {
        let space = header.iter().position(|&byte| is_white_space(byte));
        let (prefix, name) = space.map_or((None, header), |end| (Some(&header[..end]), trim(&header[end..])));
        let shown = printable(header);
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_valid_name(name.as_bytes())) else {
            return self.skip(
                line,
                format!("section [{shown}] is ignored: its name may hold letters, digits and _-/.%@:+ only"),
            );
        };
        match (self.kind, prefix) {
            (FileKind::Config, None) if name == "default" => {
                if self.default_is_prefixed {
                    return self.skip(
                        line,
                        "section [default] is ignored: there is a [profile default], which displaces it".to_owned(),
                    );
                }
                self.profile(name, line)
            }
            (FileKind::Config, Some(b"profile")) if name == "default" && !self.default_is_prefixed => {
                self.default_is_prefixed = true;
                self.displace_default(line);
                self.profile(name, line)
            }
            (FileKind::Config, Some(b"profile")) | (FileKind::Credentials, None) => self.profile(name, line),
            (FileKind::Config, Some(b"services")) => {
                Place::Services(self.file.services.position(name, self.kind, line))
            }
            // A valid section that holds nothing for us.
            (FileKind::Config, Some(b"sso-session")) => Place::Skipped,
            (FileKind::Config, None) => self.skip(
                line,
                format!("section [{shown}] is ignored: in a config file a profile's section is [profile {name}]"),
            ),
            (FileKind::Config, Some(_)) => {
                self.skip(line, format!("section [{shown}] is ignored: it is of no known kind"))
            }
            (FileKind::Credentials, Some(b"profile")) => self.skip(
                line,
                format!("section [{shown}] is ignored: in a credentials file a profile's section is [{name}]"),
            ),
            (FileKind::Credentials, Some(_)) => {
                self.skip(line, format!("section [{shown}] is ignored: a credentials file holds profiles only"))
            }
        }
    }

    fn profile(&mut self, name: &str, line: usize) -> Place {
        Place::Profile(self.file.profiles.position(name, self.kind, line))
    }

    /// Empties a `[default]` that came before `[profile default]`.
    fn displace_default(&mut self, line: usize) {
        if let Some(&position) = self.file.profiles.positions.get("default") {
            let displaced = &mut self.file.profiles.sections[position];
            let displaced_line = displaced.line;
            *displaced = Section::new("default", self.kind, line);
            self.warn(
                displaced_line,
                format!("section [default] is ignored: the [profile default] of line {line} displaces it"),
            );
        }
    }

    fn property(&mut self, text: &[u8], line: usize) -> Result<(), Problem> {
        if let Place::Outside = self.place {
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
            // Not shown: a key that is followed by its value but no `=` looks like this too.
            self.warn(line, "a property is ignored: its name may hold letters, digits and _-/.%@:+ only".to_owned());
            return Ok(());
        }
        let key = lower_case(name);
        let value = text_of(value)?.to_owned();
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
                "an indented comment is ignored: some SDKs refuse a file for it, so start it in the first column"
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
                        property.nested.insert(lower_case(name), text_of(value)?.to_owned());
                    } else {
                        // A comment character in a continuation is part of the value.
                        property.value.push('\n');
                        property.value.push_str(text_of(text)?);
                    }
                }
            }
        }
        self.parent = parent;
        Ok(())
    }

    fn section(&mut self) -> Option<&mut Section> {
        match self.place {
            Place::Outside | Place::Skipped => None,
            Place::Profile(position) => self.file.profiles.sections.get_mut(position),
            Place::Services(position) => self.file.services.sections.get_mut(position),
        }
    }

    fn skip(&mut self, line: usize, text: String) -> Place {
        self.warn(line, text);
        Place::Skipped
    }

    fn warn(&mut self, line: usize, text: String) {
        self.file.warnings.push(Warning { file: self.kind, line, text });
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| Problem::NotUtf8)
}

fn lower_case(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// A header as it may stand in a log: on one line, and not for ever.
fn printable(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let mut shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}
