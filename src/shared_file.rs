//! Reads and edits the AWS shared config and credentials files.
//!
//! * [`read()`]: the bytes of a file → [`SharedFile`]: the profiles and services that an AWS SDK would find, with line
//!   numbers, and a warning for each part that an SDK would skip. [`merge`] combines the credentials file with the
//!   config file.
//! * [`splice()`]: the bytes of a credentials file and one [`SectionUpdate`] per profile → the new bytes. The sections
//!   of these profiles contain the new credentials; all other bytes are unchanged. [`clear()`] removes credentials.
//!
//! Both use the same line parser (`line.rs`), so that SDKs read back exactly the credentials that credvend writes.
//!
//! The file format has no formal specification. This module follows the [SDK reference guide] and, where the guide is
//! silent, the common behaviour of the Rust, JavaScript and Go SDKs:
//!
//! * A config file contains `[default]`, `[profile NAME]`, `[services NAME]` and `[sso-session NAME]`; a credentials
//!   file contains `[NAME]`. `[profile default]` replaces `[default]`. Other sections are skipped with a warning.
//! * White space means spaces and tabs. Property names are case-insensitive, profile names are case-sensitive. There is
//!   no quoting.
//! * `#` and `;` start a comment in the first column, after white space in a value, and anywhere after `]`.
//! * An indented line continues the value of the property above it. If that value is empty, the line is a nested
//!   property.
//! * Sections with the same name are merged. If a property occurs twice, the last one wins.
//! * Any other line is a [`SyntaxError`](syntax_error::SyntaxError) for the whole file.
//!
//! One exception: an indented comment without a value to continue is skipped with a warning. Some SDKs refuse the
//! file, but the AWS CLI does not.
//!
//! Both files may contain secret keys. Errors, warnings and `Debug` output therefore never contain values, nor names of
//! malformed properties, because the name may be a key whose `=` is missing.
//!
//! [SDK reference guide]: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html

use std::collections::{BTreeMap, HashMap};
use std::fmt;

mod compatibility;
mod concerns;
mod configparser;
mod line;
mod read;
mod splice;
#[cfg(test)]
mod tests;
mod syntax_error;
mod update;

pub(crate) use compatibility::{Incompatible, check as check_compatibility, update_sections};
pub(crate) use concerns::concerns;
#[cfg(fuzzing)]
pub(crate) use configparser::ConfigParser;
pub(crate) use read::read;
pub(crate) use splice::{ClearedSection, clear, has_section, splice};
pub(crate) use update::{SectionUpdate, UpdateError, check_profile_name, check_section_name};

/// The prefix of comments that credvend writes. Directly above a header, the comment marks the section as written by
/// credvend.
const COMMENT_PREFIX: &str = "# credvend: ";

/// The properties with the credentials of a profile, in the order in which credvend writes them.
pub(crate) const CREDENTIAL_KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// The kind of a shared file, which determines the format of section headers.
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

/// The content of a shared file or of both files merged.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedFile {
    pub(crate) profiles: Sections,
    /// The `[services NAME]` sections of a config file.
    pub(crate) services: Sections,
    pub(crate) warnings: Vec<Warning>,
}

/// A part of a file that SDKs skip.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    pub(crate) file: FileKind,
    /// Line number, from 1.
    pub(crate) line: usize,
    /// Description of the skipped part, without property values.
    pub(crate) text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} of the {}: {}", self.line, self.file, self.text)
    }
}

/// Sections by name, in the order of their first headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    sections: Vec<Section>,
    positions: HashMap<String, usize>,
}

impl Sections {
    /// Returns the section with the given name, which is case-sensitive.
    pub(crate) fn named(&self, name: &str) -> Option<&Section> {
        self.positions.get(name).map(|&position| &self.sections[position])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Section> {
        self.sections.iter()
    }

    /// Returns the position of the section with the given name; adds the section if it does not exist.
    fn position_or_add(&mut self, name: &str, file: FileKind, line: usize) -> usize {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        self.positions.insert(name.to_owned(), self.sections.len());
        self.sections.push(Section::new(name, file, line));
        self.sections.len() - 1
    }
}

/// A profile or a set of services.
#[derive(Clone)]
pub(crate) struct Section {
    /// The name without the prefix `profile` or `services`.
    pub(crate) name: String,
    /// The file with the first header.
    pub(crate) file: FileKind,
    /// Line number of the first header, from 1.
    pub(crate) line: usize,
    /// True if a comment of credvend is directly above a header of this section. Its credentials are output of `splice`
    /// and must not be used as static keys.
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

    /// Returns the value of a property, with its continuation lines joined by newlines. `key` must be in lower case.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(|property| property.value.as_str())
    }

    /// Returns the properties nested in the property `key`, by names in lower case.
    pub(crate) fn nested(&self, key: &str) -> Option<&BTreeMap<String, String>> {
        self.properties.get(key).map(|property| &property.nested).filter(|nested| !nested.is_empty())
    }

    /// Returns the names of all properties, in lower case.
    #[cfg(fuzzing)]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    /// Returns the line number of a property, from 1.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        self.properties.get(key).map(|property| property.line)
    }

    /// Returns the file that contains a property, which is of use after a [`merge`].
    pub(crate) fn file_of(&self, key: &str) -> Option<FileKind> {
        self.properties.get(key).map(|property| property.file)
    }
}

/// Omits the properties: values may be secret keys, and so may names if a line is malformed.
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

/// Merges the two files. Properties of the credentials file override those of the config file.
///
/// Credentials in sections that credvend wrote are omitted: they are output, and the config file still determines the
/// source of the profile's credentials.
pub(crate) fn merge(config: SharedFile, credentials: SharedFile) -> SharedFile {
    let mut merged = config;
    for section in credentials.profiles.sections {
        let position = merged.profiles.position_or_add(&section.name, section.file, section.line);
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
