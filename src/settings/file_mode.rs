//! The mode of written files.

use super::{environment::Environment, errors::ConfigErrors, setting::pick};
use crate::arn::NotValid;

/// Read and write permission for the owner only.
const DEFAULT: u32 = 0o600;

/// Parses `--file-mode` or `CREDVEND_FILE_MODE`.
///
/// # Errors
/// Returns an error if the value is not a valid mode.
pub(crate) fn parse(flag: Option<&String>, env: &dyn Environment) -> Result<u32, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mode = read(flag, env, &mut errors);
    errors.into_result(Some(mode))
}

/// Parses `--file-mode` or `CREDVEND_FILE_MODE` and adds an error in it to `errors`.
pub(crate) fn read(flag: Option<&String>, env: &dyn Environment, errors: &mut ConfigErrors) -> u32 {
    let Some(setting) = pick(flag, "--file-mode", env, &["CREDVEND_FILE_MODE"]) else { return DEFAULT };
    let mode = u32::from_str_radix(setting.text.trim_start_matches("0o"), 8).ok();
    // The owner must be able to read the file; nobody needs to execute it.
    let valid = mode.filter(|mode| *mode <= 0o777 && mode & 0o400 != 0 && mode & 0o111 == 0);
    let parsed = valid.ok_or_else(|| NotValid::new("must be an octal mode such as 0600 or 0640"));
    errors.check(&setting.origin, parsed).unwrap_or(DEFAULT)
}
