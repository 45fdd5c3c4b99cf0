//! Authorization tokens of the listeners: generated here, read from files by applications, compared in constant time.
//!
//! A token file has no trailing newline, because SDKs send the file's content unchanged and most of them refuse a
//! newline. SDKs read the file for each request. If a request's token does not match, the file is read again, because
//! another process can have rewritten it (for example, a rotated Secret).
//! [Container authorization](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{
    atomic_file::{ReplaceError, replace},
    bounded_file,
    clock::Moment,
    shared_file::{UpdateError, check_profile_name},
};

/// Time for which a token stays valid after its replacement.
const OVERLAP: Duration = Duration::from_secs(60);
/// Minimum time between two reads of a token file because of wrong tokens, so that guessing does not keep the disk
/// busy.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum size of a token file, in bytes.
pub(crate) const MAX_TOKEN_LENGTH: u64 = 8 * 1024;

/// The authorization tokens and the profiles that they give access to.
pub(crate) struct Authorization {
    location: TokenLocation,
    /// File mode of token files.
    mode: u32,
    keyring: Mutex<Keyring>,
}

#[derive(Default)]
struct Keyring {
    keys: Vec<Key>,
    /// Time of the last read of a token file because of a wrong token.
    last_recheck: Option<Moment>,
}

/// The location of the tokens.
#[derive(Clone, Debug)]
pub(crate) enum TokenLocation {
    /// No token is required.
    Open,
    /// One token for all profiles, not stored in a file.
    Memory,
    /// One file with one token for all profiles.
    File(PathBuf),
    /// One file for each profile, with the profile's name.
    Directory(PathBuf),
}

/// A token and the profile that it gives access to.
struct Key {
    /// `None` gives access to all profiles.
    profile: Option<String>,
    token: SecretString,
    /// Time of the replacement by another token. The token stays valid for [`OVERLAP`] from then on.
    replaced_at: Option<Moment>,
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

impl Authorization {
    /// Returns an authorization without tokens. [`Self::load`] reads or generates them at `location`; files get `mode`.
    pub(crate) fn new(location: TokenLocation, mode: u32) -> Self {
        Self { location, mode, keyring: Mutex::default() }
    }

    /// Generates a token that gives access to all profiles and is stored in memory only. Returns it as well.
    pub(crate) fn private() -> (Self, SecretString) {
        let token = random_token();
        let key = Key { profile: None, token: token.clone(), replaced_at: None };
        (
            Self {
                location: TokenLocation::Memory,
                mode: 0,
                keyring: Mutex::new(Keyring { keys: vec![key], last_recheck: None }),
            },
            token,
        )
    }

    /// Reads the tokens of `profiles` and generates the missing ones. Replaced tokens stay valid for another minute.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written or contains no valid token. The previous tokens then stay valid.
    pub(crate) fn load(&self, profiles: &[String], now: Moment) -> Result<(), AuthorizationError> {
        let previous = self.lock().keys.len();
        match &self.location {
            TokenLocation::Open | TokenLocation::Memory => return Ok(()),
            TokenLocation::File(path) => self.add(None, self.token_at(path)?),
            TokenLocation::Directory(directory) => {
                for profile in profiles {
                    // Each token is valid as soon as its file is written, even if a later file fails.
                    self.add(Some(profile.clone()), self.token_at(&file_path(directory, profile)?)?);
                }
            }
        }
        let mut keyring = self.lock();
        for key in keyring.keys.iter_mut().take(previous) {
            key.replaced_at.get_or_insert(now);
        }
        keyring.keys.retain(|key| !is_expired(key, now));
        Ok(())
    }

    /// Returns true if no token is required.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.location, TokenLocation::Open)
    }

    /// Returns true if there is exactly one Authorization header and its token gives access to `profile`. With `None`
    /// (the profile does not exist), any valid token is accepted.
    pub(crate) fn allows<'a>(
        &self,
        mut headers: impl Iterator<Item = &'a HeaderValue>,
        profile: Option<&str>,
        now: Moment,
    ) -> bool {
        if self.is_open() {
            return true;
        }
        let (Some(header), None) = (headers.next(), headers.next()) else { return false };
        self.is_valid(header, profile, now)
            || self.reload_if_changed(profile, now) && self.is_valid(header, profile, now)
    }

    fn is_valid(&self, header: &HeaderValue, profile: Option<&str>, now: Moment) -> bool {
        let keyring = self.lock();
        let covers_profile =
            |key: &&Key| key.profile.as_deref().is_none_or(|owner| profile.is_none_or(|profile| profile == owner));
        // Compare every key, so that the duration does not depend on which one matches.
        keyring
            .keys
            .iter()
            .filter(|key| !is_expired(key, now))
            .filter(covers_profile)
            .fold(false, |found, key| found | bool::from(key.token.expose_secret().as_bytes().ct_eq(header.as_bytes())))
    }

    /// Reads the profile's token file again and returns true if it contains a new token. The new token becomes valid;
    /// the previous token stays valid for another minute.
    fn reload_if_changed(&self, profile: Option<&str>, now: Moment) -> bool {
        let (path, profile) = match (&self.location, profile) {
            (TokenLocation::File(path), _) => (path.clone(), None),
            (TokenLocation::Directory(directory), Some(profile)) => match file_path(directory, profile) {
                Ok(path) => (path, Some(profile)),
                Err(_) => return false,
            },
            _ => return false,
        };
        let mut keyring = self.lock();
        if keyring.last_recheck.is_some_and(|last| now.since(last) < RECHECK_INTERVAL) {
            return false;
        }
        keyring.last_recheck = Some(now);
        let Some(token) = read(&path).and_then(|token| validated(token, &path).ok()) else { return false };
        let is_current = |key: &Key| key.profile.as_deref() == profile && key.replaced_at.is_none();
        if keyring.keys.iter().any(|key| is_current(key) && key.token.expose_secret() == token.expose_secret()) {
            return false;
        }
        for key in keyring.keys.iter_mut().filter(|key| is_current(key)) {
            key.replaced_at = Some(now);
        }
        keyring.keys.retain(|key| !is_expired(key, now));
        keyring.keys.push(Key { profile: profile.map(str::to_owned), token, replaced_at: None });
        tracing::info!(path = %path.display(), "authorization token reloaded");
        true
    }

    fn add(&self, profile: Option<String>, token: SecretString) {
        self.lock().keys.push(Key { profile, token, replaced_at: None });
    }

    /// Returns the token in a file. If the file has no token, generates one and writes it.
    fn token_at(&self, path: &Path) -> Result<SecretString, AuthorizationError> {
        let metadata = std::fs::metadata(path).ok();
        let fills_file = |token: &SecretString| {
            metadata.as_ref().is_some_and(|file| file.len() == token.expose_secret().len() as u64)
        };
        // Keep the file if it contains only a token, without white space around it, and has the right mode.
        let existing = read(path).filter(fills_file);
        let has_mode = metadata.as_ref().is_some_and(|file| file.permissions().mode() & 0o7777 == self.mode);
        if let (Some(existing), true) = (&existing, has_mode) {
            return validated(existing.clone(), path);
        }
        let mut token = SecretString::from(String::new());
        let replaced = replace(path, self.mode, |content| {
            let kept = std::str::from_utf8(content).unwrap_or_default().trim();
            token = if kept.is_empty() { random_token() } else { kept.into() };
            Ok::<_, ReplaceError>(token.expose_secret().as_bytes().to_vec())
        });
        match (replaced, existing) {
            (Ok(_), _) => validated(token, path),
            // The file can be on a read-only mount, such as a Secret. Its owner is responsible for the mode.
            (Err(_), Some(existing)) => validated(existing, path),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keyring> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the token in a file, without white space around it. Returns `None` if the file is missing, unreadable or
/// empty.
fn read(path: &Path) -> Option<SecretString> {
    let text = bounded_file::read(path, MAX_TOKEN_LENGTH).ok()?;
    let token = text.trim();
    (!token.is_empty()).then(|| token.into())
}

fn is_expired(key: &Key, now: Moment) -> bool {
    key.replaced_at.is_some_and(|replaced_at| now.since(replaced_at) >= OVERLAP)
}

fn validated(token: SecretString, path: &Path) -> Result<SecretString, AuthorizationError> {
    let is_visible_ascii = token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible_ascii { Ok(token) } else { Err(AuthorizationError::NotAToken(path.to_owned())) }
}

fn file_path(directory: &Path, profile: &str) -> Result<PathBuf, AuthorizationError> {
    check_profile_name(profile)?;
    if profile.contains('/') || profile.starts_with('.') {
        return Err(AuthorizationError::NotAFileName(profile.to_owned()));
    }
    Ok(directory.join(profile))
}

/// Generates a token from 256 bits of the system's random generator.
pub(crate) fn random_token() -> SecretString {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let random = rustls::crypto::ring::default_provider().secure_random;
    // The generator fails only if the kernel has no source of randomness. No token must be issued then.
    #[expect(clippy::expect_used, reason = "a predictable token is worse than a panic")]
    random.fill(&mut *bytes).expect("the system's random generator works");
    SecretString::from(URL_SAFE_NO_PAD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn at(seconds: u64) -> Moment {
        let length = Duration::from_secs(seconds);
        Moment { wall: SystemTime::UNIX_EPOCH + length, monotonic: length }
    }

    fn allows(authorization: &Authorization, token: &str, profile: &str, now: u64) -> bool {
        let header = HeaderValue::from_str(token).expect("a header");
        authorization.allows([&header].into_iter(), Some(profile), at(now))
    }

    #[test]
    fn tokens_of_a_directory_give_access_to_their_own_profile_and_rotate_with_an_overlap() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let authorization = Authorization::new(TokenLocation::Directory(directory.path().into()), 0o600);
        let profiles = ["a".to_owned(), "b".to_owned()];
        let token = |profile: &str| std::fs::read_to_string(directory.path().join(profile)).expect("a token");
        authorization.load(&profiles, at(0)).expect("loaded");
        let first = token("a");
        assert_eq!(first.trim().len(), 43);
        assert!(allows(&authorization, &first, "a", 0) && !allows(&authorization, &first, "b", 0));

        authorization.load(&profiles, at(50)).expect("loaded again");
        assert_eq!(token("a"), first, "loading does not rotate");
        std::fs::remove_file(directory.path().join("a")).expect("removed");
        authorization.load(&profiles, at(100)).expect("generated");
        assert_ne!(token("a"), first);
        assert!(allows(&authorization, &token("a"), "a", 100) && allows(&authorization, &first, "a", 159));
        assert!(!allows(&authorization, &first, "a", 160));
    }

    #[test]
    fn existing_token_is_kept_without_its_newline() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "given-by-hand\n").expect("written");
        let authorization = Authorization::new(TokenLocation::File(path.clone()), 0o600);
        authorization.load(&[], at(0)).expect("loaded");
        assert_eq!(std::fs::read_to_string(&path).expect("a token"), "given-by-hand");
        assert!(allows(&authorization, "given-by-hand", "any", 1));
        for wrong in ["given-by-han", "given-by-hand ", "Bearer given-by-hand", ""] {
            assert!(!allows(&authorization, wrong, "any", 1), "{wrong:?}");
        }
        assert!(!authorization.allows(std::iter::empty(), Some("any"), at(1)));

        std::fs::write(&path, "två ord").expect("written");
        assert!(authorization.load(&[], at(2)).is_err() && allows(&authorization, "given-by-hand", "any", 3));
    }

    #[test]
    fn profile_names_that_are_not_file_names_are_rejected() {
        for name in ["../other", "a/b", ".hidden"] {
            assert!(file_path(Path::new("/tokens"), name).is_err(), "{name}");
        }
    }
}
