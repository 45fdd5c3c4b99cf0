//! Files with an authorization token: read, generated and written again.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::random_token;
use crate::{
    atomic_file::{ReplaceError, Replaced, replace},
    bounded_file::ReadError,
    shared_file::{UpdateError, check_profile_name},
    trusted_path::{self, Owners},
};

/// Maximum size of a token file, in bytes.
const MAX_TOKEN_LENGTH: u64 = 8 * 1024;

/// File modes that let other users replace or read a token.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_ALL: u32 = 0o004;

/// What a token file contains.
pub(super) enum Content {
    Token(SecretString),
    Empty,
    /// The file does not exist.
    Missing,
}

/// The reason why a token cannot be loaded or generated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorizationError {
    #[error("cannot write the authorization token file: {0}")]
    Replace(#[from] ReplaceError),
    #[error(
        "authorization token file {}: it must contain only visible ASCII characters; empty the file to have a token \
         generated",
        .0.display()
    )]
    NotAToken(PathBuf),
    /// The profile's name cannot be the name of a section in a shared file.
    #[error("authorization token directory: {0}")]
    ProfileName(#[from] UpdateError),
    /// The profile's name would be a hidden file or a path outside the directory.
    #[error("authorization token directory: profile {0} is not a valid file name; rename the profile")]
    NotAFileName(String),
}

/// Returns the token in a file, and whether the file was written. If the file has no token, generates one and writes it.
///
/// # Errors
/// Returns an error if the file cannot be written, contains no valid token, or may be planted by another user.
pub(super) fn load_or_generate(path: &Path, mode: u32) -> Result<(SecretString, Replaced), AuthorizationError> {
    let warn_if = |mask, text| {
        if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & mask != 0) {
            tracing::warn!(path = %path.display(), "{text}");
        }
    };
    warn_if(WRITABLE_BY_OTHERS, "other users can write to the authorization token file: they may know the token");
    let loaded = load_and_tidy(path, mode)?;
    warn_if(READABLE_BY_ALL, "every user can read the authorization token file");
    Ok(loaded)
}

/// Makes a file contain a token and nothing else, with the right mode, and returns the token.
fn load_and_tidy(path: &Path, mode: u32) -> Result<(SecretString, Replaced), AuthorizationError> {
    let metadata = std::fs::metadata(path).ok();
    let fills_file =
        |token: &SecretString| metadata.as_ref().is_some_and(|file| file.len() == token.expose_secret().len() as u64);
    // Keep the file if it contains only a token, without white space around it, and has the right mode.
    let existing = text(path).ok().flatten().filter(fills_file);
    let has_mode = metadata.as_ref().is_some_and(|file| file.permissions().mode() & 0o7777 == mode);
    if let (Some(existing), true) = (&existing, has_mode) {
        return Ok((validated(existing.clone(), path)?, Replaced::Unchanged));
    }
    let mut token = SecretString::from(String::new());
    let replaced = replace(path, mode, |content| {
        let kept = std::str::from_utf8(content).unwrap_or_default().trim();
        token = if kept.is_empty() { random_token() } else { kept.into() };
        Ok::<_, ReplaceError>(token.expose_secret().as_bytes().to_vec())
    });
    match (replaced, existing) {
        (Ok(replaced), _) => Ok((validated(token, path)?, replaced)),
        // The file can be on a read-only mount, such as a Secret. Its owner is responsible for the mode.
        (Err(_), Some(existing)) => Ok((validated(existing, path)?, Replaced::Unchanged)),
        (Err(error), None) => Err(error.into()),
    }
}

/// Reads a token file.
///
/// # Errors
/// Returns an error if the file cannot be read, contains no valid token, or may be planted by another user.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    match text(path) {
        Ok(Some(token)) if is_token(&token) => Ok(Content::Token(token)),
        Ok(Some(_)) => Err(io::Error::new(ErrorKind::InvalidData, "it must contain only visible ASCII characters")),
        Ok(None) => Ok(Content::Empty),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Content::Missing),
        Err(error) => Err(error),
    }
}

/// Reads the token that a client sends. The file may belong to another user, because the server refuses a token that is not its own.
///
/// # Errors
/// Returns the errors of [`trusted_path::read`].
pub(crate) fn read_for_client(path: &Path) -> Result<Zeroizing<String>, ReadError> {
    let text = trusted_path::read(path, MAX_TOKEN_LENGTH, Owners::Any)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Writes `token` to its deleted file. A file that another process has written meanwhile keeps its content.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(super) fn write_back(path: &Path, mode: u32, token: &SecretString) -> Result<(), ReplaceError> {
    let written = replace(path, mode, |content| {
        let content = if content.is_empty() { token.expose_secret().as_bytes() } else { content };
        Ok::<_, ReplaceError>(content.to_vec())
    });
    written.map(drop)
}

/// Reads the text of a file without white space around it. Returns `None` if there is none.
fn text(path: &Path) -> io::Result<Option<SecretString>> {
    let text = trusted_path::read(path, MAX_TOKEN_LENGTH, Owners::Trusted).map_err(|error| match error {
        ReadError::Io(error) => error,
        other => io::Error::new(ErrorKind::InvalidData, other.to_string()),
    })?;
    let token = text.trim();
    Ok((!token.is_empty()).then(|| token.into()))
}

fn is_token(token: &SecretString) -> bool {
    token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())
}

fn validated(token: SecretString, path: &Path) -> Result<SecretString, AuthorizationError> {
    if is_token(&token) { Ok(token) } else { Err(AuthorizationError::NotAToken(path.to_owned())) }
}

/// Returns the path of a profile's token file.
///
/// # Errors
/// Returns an error if the name of the profile is not a valid file name.
pub(super) fn path_in(directory: &Path, profile: &str) -> Result<PathBuf, AuthorizationError> {
    check_profile_name(profile)?;
    if profile.contains('/') || profile.starts_with('.') {
        return Err(AuthorizationError::NotAFileName(profile.to_owned()));
    }
    Ok(directory.join(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_names_that_are_not_file_names_are_rejected() {
        for name in ["../other", "a/b", ".hidden"] {
            assert!(path_in(Path::new("/tokens"), name).is_err(), "{name}");
        }
    }
}
