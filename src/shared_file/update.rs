//! What is to be written to a credentials file, checked before the file is touched.
//!
//! In: a profile's name, its credentials and their expiry. Out: a [`SectionUpdate`], whose values every SDK reads back
//! as they are; or an [`UpdateError`], which names the property and never shows the value.

use std::fmt;

use thiserror::Error;

use super::CREDENTIAL_KEYS;
use super::line::is_valid_name;

/// The credentials of one profile, in a form that the file can carry.
#[derive(Clone, Copy)]
pub(crate) struct SectionUpdate<'a> {
    pub(super) profile: &'a str,
    /// In the order of [`CREDENTIAL_KEYS`].
    pub(super) values: [&'a str; CREDENTIAL_KEYS.len()],
    pub(super) expiry: &'a str,
}

impl<'a> SectionUpdate<'a> {
    /// Refuses a profile name or a value that SDKs would not read back as it is.
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

/// Why something cannot be written to a credentials file.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum UpdateError {
    /// A profile that needs another name.
    #[error(
        "profile name {name:?} cannot stand in an AWS credentials file: it may hold letters, digits and _-/.%@:+ only"
    )]
    ProfileName {
        /// As given.
        name: String,
    },
    /// The one section that is no profile to everybody.
    #[error(
        "a section DEFAULT cannot be written to an AWS credentials file: Python's parser, and so botocore and the AWS CLI, \
         would take its keys for every profile's; name another, such as default"
    )]
    DefaultSection,
    /// A value that SDKs would misread; it is not shown.
    #[error("the {key} cannot stand in an AWS credentials file: it {problem}")]
    Value {
        /// The property it is for.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Whether a section that we write may have that name. One that is called so by somebody else is read all the same.
pub(crate) fn check_section_name(name: &str) -> Result<(), UpdateError> {
    check_profile_name(name)?;
    if name == "DEFAULT" { Err(UpdateError::DefaultSection) } else { Ok(()) }
}

/// Whether a profile can have that name.
pub(crate) fn check_profile_name(name: &str) -> Result<(), UpdateError> {
    if is_valid_name(name.as_bytes()) { Ok(()) } else { Err(UpdateError::ProfileName { name: name.to_owned() }) }
}

fn check_value(key: &'static str, value: &str) -> Result<(), UpdateError> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.chars().any(char::is_control) {
        "holds a control character"
    } else if value.trim() != value {
        "starts or ends with white space"
    } else if value.contains(['#', ';']) {
        // Most SDKs need white space before a comment, but the Go SDK cuts at any of the two.
        "holds `#` or `;`, which some SDKs take for a comment"
    } else if value.starts_with(['"', '\'']) {
        "starts with a quote, which some SDKs drop"
    } else {
        return Ok(());
    };
    Err(UpdateError::Value { key, problem })
}
