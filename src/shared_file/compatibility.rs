//! Compares what programs read from a credentials file before and after a write.
//!
//! Input: both versions of the file and the updates between them. Output: nothing, or the reason why the new version must not
//! be written. There are two readers: the dialect of the SDKs ([`read()`]) and Python's ([`ConfigParser`]), with which botocore,
//! boto3 and the AWS CLI read. Each of them that could read the old version must read the same values from the new one, and the
//! new credentials in the updated sections. If neither can read the new version, nobody could use the credentials.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::configparser::{ConfigParser, Options};
use super::splice::{LEGACY_SESSION_TOKEN_KEY, splice};
use super::syntax_error::SyntaxError;
use super::{CREDENTIAL_KEYS, FileKind, Section, SectionUpdate, SharedFile, read};
use crate::bounded_file::is_utf16;

/// Why a credentials file cannot be changed so that every program reads what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Incompatible {
    /// No program could read the credentials.
    #[error("{0}; correct the line, because no AWS SDK can read the file")]
    Unreadable(SyntaxError),
    /// No SDK could read the file, and an added section would be in another encoding.
    #[error(
        "it is UTF-16 text, as PowerShell writes it, which no AWS SDK can read; save it as UTF-8 without a byte order mark"
    )]
    Utf16,
    /// A program would read other values, or not the new credentials.
    #[error(
        "{reader} would not read the new credentials and the same other values as before; remove repeated sections and \
         properties, indentation and section DEFAULT, or set the path to another file"
    )]
    Changed {
        /// The programs, as the subject of a sentence.
        reader: &'static str,
    },
}

/// Applies the updates to the content of a credentials file, which may be empty.
///
/// # Errors
/// Returns an error if a program would read other values than before, or if none could read the credentials.
pub(crate) fn update_sections(
    existing: &[u8],
    updates: &[SectionUpdate<'_>],
) -> Result<Zeroizing<Vec<u8>>, Incompatible> {
    let spliced = splice(existing, updates);
    check(existing, &spliced, updates, &[])?;
    Ok(spliced)
}

/// Compares the content of a credentials file before and after `updates`, and after the removal of credvend's keys from the sections
/// `cleared`.
///
/// # Errors
/// Returns an error if a program would read other values than before, or if none could read the credentials.
pub(crate) fn check(
    before: &[u8],
    after: &[u8],
    updates: &[SectionUpdate<'_>],
    cleared: &[&str],
) -> Result<(), Incompatible> {
    if is_utf16(before) && before != after {
        return Err(Incompatible::Utf16);
    }
    let by_profile = updates.iter().map(|update| (update.profile, update)).collect();
    let changes = Changes { updates: by_profile, cleared };
    let sdks = (read(FileKind::Credentials, before), read(FileKind::Credentials, after));
    let is_same = match &sdks {
        (before, Ok(after)) => changes.are_read_by_sdks(before.as_ref().ok(), after),
        (Ok(_), Err(_)) => false,
        (Err(_), Err(_)) => true,
    };
    if !is_same {
        return Err(Incompatible::Changed { reader: "the AWS SDKs" });
    }
    let python = ConfigParser::read(after);
    let is_same = match (ConfigParser::read(before), &python) {
        (before, Some(after)) => {
            changes.are_read_by_python(before.as_ref(), after)
                && (after.is_accepted_by_botocore() || !before.is_some_and(|before| before.is_accepted_by_botocore()))
        }
        (Some(_), None) => false,
        (None, None) => true,
    };
    if !is_same {
        return Err(Incompatible::Changed { reader: "the AWS CLI and boto3" });
    }
    let is_read_by_botocore = python.is_some_and(|file| file.is_accepted_by_botocore());
    match sdks {
        (Err(error), Err(_)) if !(is_read_by_botocore || updates.is_empty()) => Err(Incompatible::Unreadable(error)),
        _ => Ok(()),
    }
}

struct Changes<'a> {
    /// The updates by profile.
    updates: BTreeMap<&'a str, &'a SectionUpdate<'a>>,
    cleared: &'a [&'a str],
}

impl Changes<'_> {
    fn is_cleared(&self, section: &str) -> bool {
        self.cleared.contains(&section)
    }

    /// Returns true if credvend owns keys in a section.
    fn concern(&self, section: &str) -> bool {
        self.updates.contains_key(section) || self.is_cleared(section)
    }

    fn have_credentials<'a>(&self, value: impl Fn(&str, &str) -> Option<&'a str>) -> bool {
        self.updates.iter().all(|(profile, update)| {
            CREDENTIAL_KEYS.into_iter().zip(update.values).all(|(key, new)| value(profile, key) == Some(new))
        })
    }

    /// Returns true if the SDKs read the new credentials and, if they can read the file `before`, its other values.
    fn are_read_by_sdks(&self, before: Option<&SharedFile>, after: &SharedFile) -> bool {
        let is_kept = |before: &Section| {
            let is_ours = self.concern(&before.name);
            match after.profiles.named(&before.name) {
                Some(after) => {
                    others(before, is_ours).eq(others(after, is_ours))
                        && (is_ours || before.written_by_us == after.written_by_us)
                }
                None => self.is_cleared(&before.name) && others(before, is_ours).next().is_none(),
            }
        };
        self.have_credentials(|profile, key| after.profiles.named(profile)?.value(key))
            && before.is_none_or(|before| {
                let is_known = |name: &str| before.profiles.named(name).is_some() || self.updates.contains_key(name);
                before.profiles.iter().all(is_kept) && after.profiles.iter().all(|section| is_known(&section.name))
            })
    }

    /// Returns true if Python reads the new credentials and, if it can read the file `before`, its other values.
    fn are_read_by_python(&self, before: Option<&ConfigParser<'_>>, after: &ConfigParser<'_>) -> bool {
        let is_kept = |(name, before): (&&str, &Options<'_>)| {
            // The SDKs ignore white space inside the brackets, so credvend removes its keys from `[ NAME ]` too.
            let is_ours = self.concern(name.trim_matches([' ', '\t']));
            let is_other = |(key, _): &(&String, &Vec<&str>)| !(is_ours && is_owned(key));
            let others = before.iter().filter(is_other);
            match after.sections.get(name) {
                Some(after) => others.eq(after.iter().filter(is_other)),
                None => is_ours && self.is_cleared(name.trim_matches([' ', '\t'])) && others.count() == 0,
            }
        };
        self.have_credentials(|profile, key| after.value(profile, key))
            && !self.updates.keys().any(|profile| after.has(profile, LEGACY_SESSION_TOKEN_KEY))
            && before.is_none_or(|before| {
                let is_known = |name: &str| before.sections.contains_key(name) || self.updates.contains_key(name);
                before.defaults == after.defaults
                    && before.sections.iter().all(is_kept)
                    && after.sections.keys().all(|name| is_known(name))
            })
    }
}

/// Returns the properties of a section, without those that credvend owns if it owns any in this section.
fn others(section: &Section, is_ours: bool) -> impl Iterator<Item = (&String, &str, &BTreeMap<String, String>)> {
    let others = section.properties.iter().filter(move |(key, _)| !(is_ours && is_owned(key)));
    others.map(|(key, property)| (key, property.value.as_str(), &property.nested))
}

fn is_owned(key: &str) -> bool {
    CREDENTIAL_KEYS.contains(&key) || key == LEGACY_SESSION_TOKEN_KEY
}
