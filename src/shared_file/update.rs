//! Validates the credentials to write to a credentials file before the file is changed.
//!
//! Input: the name of a profile, its credentials and their expiry. Output: a [`SectionUpdate`], whose values every SDK
//! reads back unchanged, or an [`UpdateError`], which names the property and never shows the value.

use std::fmt;

use thiserror::Error;

use super::CREDENTIAL_KEYS;
use super::line::is_valid_name;

/// The validated credentials of one profile.
#[derive(Clone, Copy)]
pub(crate) struct SectionUpdate<'a> {
    pub(super) profile: &'a str,
    /// In the order of [`CREDENTIAL_KEYS`].
    pub(super) values: [&'a str; CREDENTIAL_KEYS.len()],
    pub(super) expiry: &'a str,
}

impl<'a> SectionUpdate<'a> {
    /// Validates a profile name and its values.
    ///
    /// # Errors
    /// Returns an error if SDKs would not read the name or a value back unchanged.
    pub(crate) fn new(
        profile: &'a str,
        access_key_id: &'a str,
        secret_access_key: &'a str,
        session_token: &'a str,
        expiry: &'a str,
    ) -> Result<Self, UpdateError> {
        check_section_name(profile)?;
        let values = [access_key_id, secret_access_key, session_token];
        for (key, value) in CREDENTIAL_KEYS.into_iter().zip(values) {
            check_value(key, value)?;
        }
        check_value("expiry", expiry)?;
        Ok(Self { profile, values, expiry })
    }

    /// Returns an update that is never written, to check whether a file allows one for this profile.
    ///
    /// # Errors
    /// Returns an error if SDKs would refuse the name.
    pub(crate) fn placeholder(profile: &'a str) -> Result<Self, UpdateError> {
        Self::new(profile, "placeholder", "placeholder", "placeholder", "placeholder")
    }

    /// Returns an upper limit for the bytes by which this update can lengthen a file.
    pub(super) fn max_length(&self) -> usize {
        self.profile.len() + self.values.map(str::len).iter().sum::<usize>() + self.expiry.len() + 256
    }
}

impl fmt::Debug for SectionUpdate<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SectionUpdate")
            .field("profile", &self.profile)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// Why a profile cannot be written to a credentials file.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum UpdateError {
    #[error(
        "profile name {name:?} is not valid in an AWS credentials file: it may contain only letters, digits and _-/.%@:+"
    )]
    ProfileName { name: String },
    /// Python's parser treats the section `DEFAULT` as defaults for all sections.
    #[error(
        "section DEFAULT cannot be written to an AWS credentials file: Python's parser, which botocore and the AWS CLI use, \
         would apply its keys to every profile; use another name, such as default"
    )]
    DefaultSection,
    /// A value that SDKs would misread. The message does not show it.
    #[error("the {key} is not valid in an AWS credentials file: it {problem}")]
    Value {
        key: &'static str,
        /// A clause about the value, without a subject.
        problem: &'static str,
    },
}

/// Checks the name of a section to write. Reading also accepts a section named `DEFAULT`.
///
/// # Errors
/// Returns an error if SDKs would refuse the name, or if it is `DEFAULT`.
pub(crate) fn check_section_name(name: &str) -> Result<(), UpdateError> {
    check_profile_name(name)?;
    if name == "DEFAULT" { Err(UpdateError::DefaultSection) } else { Ok(()) }
}

/// Checks the name of a profile.
///
/// # Errors
/// Returns an error if SDKs would refuse the name.
pub(crate) fn check_profile_name(name: &str) -> Result<(), UpdateError> {
    if is_valid_name(name.as_bytes()) { Ok(()) } else { Err(UpdateError::ProfileName { name: name.to_owned() }) }
}

fn check_value(key: &'static str, value: &str) -> Result<(), UpdateError> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.chars().any(char::is_control) {
        "contains a control character"
    } else if value.trim() != value {
        "starts or ends with white space"
    } else if value.contains(['#', ';']) {
        // Most SDKs require white space before a comment, but the Go SDK does not.
        "contains `#` or `;`, which starts a comment in some SDKs"
    } else if value.starts_with(['"', '\'']) {
        "starts with a quotation mark, which some SDKs remove"
    } else {
        return Ok(());
    };
    Err(UpdateError::Value { key, problem })
}
