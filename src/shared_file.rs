//! The dialect of the AWS shared config and credentials files, in both directions.
//!
//! * [`read()`]: a file's bytes → [`SharedFile`]: what an AWS SDK would see in it, with line numbers, and a warning for
//!   whatever it would skip. [`merge`] lays the credentials file over the config file.
//! * [`splice()`]: a credentials file's bytes and one [`SectionUpdate`] a profile → the new bytes, in which the profiles'
//!   credentials are ours and every other byte is what it was.
//!
//! Both stand on the same reading of a single line (`line.rs`), so what we write where is decided by what SDKs read.
//!
//! The dialect has no standard of its own. This module follows the [SDK reference guide] and, where that is silent, the
//! rules that the Rust, JavaScript and Go SDKs share:
//!
//! * A config file holds `[default]`, `[profile NAME]`, `[services NAME]` and `[sso-session NAME]`; a credentials file
//!   holds `[NAME]`. `[profile default]` displaces `[default]`. Any other section is skipped with a warning.
//! * White space is space and tab. Property names ignore case; profile names do not. Nothing is quoted.
//! * `#` and `;` start a comment at the first column, after white space in a value, and anywhere after `]`.
//! * An indented line continues the property above it, or, where that property's value is empty, is a property nested
//!   in it.
//! * Sections of one name are merged and the last of two equal properties wins.
//! * A line that fits nowhere refuses the file: [`SyntaxError`].
//!
//! One indulgence: an indented comment where nothing can be continued is skipped with a warning, although some SDKs
//! refuse the file for it, because the AWS CLI does not.
//!
//! Both files may hold secret keys: no error, warning or `Debug` output here repeats a value, nor the name of a
//! malformed property, which may well be a key whose `=` went missing.
//!
//! [SDK reference guide]: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html

use std::collections::{BTreeMap, HashMap};
use std::fmt;

mod line;
mod read;
mod splice;
#[cfg(test)]
mod tests;
mod syntax_error;
mod update;

pub(crate) use read::read;
pub(crate) use splice::splice;
pub(crate) use update::{SectionUpdate, UpdateError, check_profile_name, check_section_name};

/// How a comment line of ours begins; one directly above a header marks the section as written by us.
pub(crate) const COMMENT_PREFIX: &str = "# credvend: ";

/// The properties that hold the credentials of a profile, in the order in which we write them.
pub(crate) const CREDENTIAL_KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// Which of the two files: their sections are named differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FileKind {
    /// `~/.aws/config`.
    Config,
    /// `~/.aws/credentials`.
    Credentials,
}

impl fmt::Display for FileKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Config => "config file",
            Self::Credentials => "credentials file",
        })
    }
}

/// What a shared file, or the two of them merged, says.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedFile {
    /// The profiles.
    pub(crate) profiles: Sections,
    /// The `[services NAME]` sections of a config file.
    pub(crate) services: Sections,
    /// What was skipped, and why.
    pub(crate) warnings: Vec<Warning>,
}

/// Something in a file that SDKs skip.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    /// The file it is in.
    pub(crate) file: FileKind,
    /// The line it is on, from 1.
    pub(crate) line: usize,
    /// What it is; never a value.
    pub(crate) text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} of the {}: {}", self.line, self.file, self.text)
    }
}

/// Sections by name, in the order in which the names first appear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    sections: Vec<Section>,
    positions: HashMap<String, usize>,
}

impl Sections {
    /// The section of that name, which is case-sensitive.
    pub(crate) fn named(&self, name: &str) -> Option<&Section> {
        self.positions.get(name).map(|&position| &self.sections[position])
    }

    /// All sections.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Section> {
        self.sections.iter()
    }

    /// The position of the section of that name, which is made where there is none.
    fn position(&mut self, name: &str, file: FileKind, line: usize) -> usize {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        self.positions.insert(name.to_owned(), self.sections.len());
        self.sections.push(Section::new(name, file, line));
        self.sections.len() - 1
    }
}

/// One profile, or one set of services.
#[derive(Clone)]
pub(crate) struct Section {
    /// Its name, without `profile` or `services`.
    pub(crate) name: String,
    /// The file of its first header.
    pub(crate) file: FileKind,
    /// The line of its first header, from 1.
    pub(crate) line: usize,
    /// A comment of ours stands directly above a header of this section: its credentials are what `splice` wrote, and
    /// taking them for static keys would feed our own output back to us.
    pub(crate) written_by_us: bool,
    properties: BTreeMap<String, Property>,
}

#[derive(Clone)]
struct Property {
    file: FileKind,
    line: usize,
    value: String,
    nested: BTreeMap<String, String>,
}

impl Section {
    fn new(name: &str, file: FileKind, line: usize) -> Self {
        Self { name: name.to_owned(), file, line, written_by_us: false, properties: BTreeMap::new() }
    }

    /// The value of a property, its continuation lines joined by newlines; `key` is in lower case.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(|property| property.value.as_str())
    }

    /// The properties nested in a property whose own value is empty, by names in lower case.
    pub(crate) fn nested(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        self.properties.get(key).map(|property| &property.nested).filter(|nested| !nested.is_empty())
    }

    /// The line of a property, from 1.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        self.properties.get(key).map(|property| property.line)
    }

    /// The file of a property, which tells the two apart after a [`merge`].
    pub(crate) fn file_of(&self, key: &str) -> Option<FileKind> {
        self.properties.get(key).map(|property| property.file)
    }
}

/// Without the properties: a value may be a secret key, and so may a name, if a line was broken in the wrong place.
impl fmt::Debug for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Section")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("line", &self.line)
            .field("written_by_us", &self.written_by_us)
            .field("properties", &self.properties.len())
            .finish_non_exhaustive()
    }
}

/// Lays the credentials file over the config file: property by property, the credentials file wins.
///
/// The credentials in a section that we wrote are left out. They are output; what the config file says about how the
/// profile comes by its credentials stands.
pub(crate) fn merge(config: SharedFile, credentials: SharedFile) -> SharedFile {
    let mut merged = config;
    for section in credentials.profiles.sections {
        let position = merged.profiles.position(&section.name, section.file, section.line);
        let target = &mut merged.profiles.sections[position];
        target.written_by_us |= section.written_by_us;
        target.properties.extend(
            section
                .properties
                .into_iter()
                .filter(|(key, _)| !(section.written_by_us && CREDENTIAL_KEYS.contains(&key.as_str()))),
        );
    }
    merged.warnings.extend(credentials.warnings);
    merged
}
