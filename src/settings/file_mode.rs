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
    setting.check(parse_mode(&setting.text), errors).unwrap_or(DEFAULT)
}

fn parse_mode(text: &str) -> Result<u32, NotValid> {
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
    let mode = mode.ok_or_else(|| NotValid::new("must be three or four octal digits, such as 0600 or 0640"))?;
    let problem = if mode & 0o600 != 0o600 {
        "must let the owner read and write, such as 0600 or 0640"
    } else if mode & 0o022 != 0 {
        "must not let other users write, such as 0600 or 0640"
    } else if mode & !0o666 != 0 {
        "must not have execute or special bits, such as 0600 or 0640"
    } else {
        return Ok(mode);
    };
    Err(NotValid::new(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modes_that_the_owner_can_write_and_others_cannot_are_valid() {
        for (text, mode) in [("600", 0o600), ("0600", 0o600), ("0640", 0o640), ("644", 0o644), ("0604", 0o604)] {
            assert_eq!(parse_mode(text).ok(), Some(mode), "{text}");
        }
        for text in [
            "",
            "6",
            "60",
            "00600",
            "0o600",
            "+600",
            "-600",
            " 600",
            "0x180",
            "rw-------",
            "0800",
            "0400",
            "0440",
            "0200",
            "0000",
            "0660",
            "0620",
            "0602",
            "0606",
            "0666",
            "0777",
            "0700",
            "0610",
            "0601",
            "1600",
            "4600",
            "7777",
        ] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
