//! Authorization tokens: made here, read by applications from a file, compared in constant time.
//!
//! A token's file has no newline: SDKs send what they read, and most refuse one. They read it at each request, so a file that
//! somebody else rewrites (a rotated Secret) is looked at again where a token does not fit.
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

/// How long a token is honoured after another took its place.
const OVERLAP: Duration = Duration::from_secs(60);
/// How long after a look at a token's file the next wrong token gets another: guessing must not keep the disk busy.
const RECHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longer than any token of ours that is sent in a header.
pub(crate) const MAX_TOKEN_LENGTH: u64 = 8 * 1024;

/// Who may read credentials.
pub(crate) struct Authorization {
    location: TokenLocation,
    mode: u32,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    held: Vec<Key>,
    /// When a file was last looked at for a token that did not fit.
    looked: Option<Moment>,
}

/// Where tokens are kept.
#[derive(Clone, Debug)]
pub(crate) enum TokenLocation {
    /// Nobody is asked for one.
    Open,
    /// One for every profile, kept nowhere.
    Memory,
    /// One file for every profile.
    File(PathBuf),
    /// One file a profile, named like it.
    Directory(PathBuf),
}

/// A token and what it opens.
struct Key {
    /// `None` opens every profile.
    profile: Option<String>,
    token: SecretString,
    /// Until when it counts, where another has taken its place.
    retired: Option<Moment>,
}

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorizationError {
    /// Its file cannot be written.
    #[error("authorization token file not written: {0}")]
    Replace(#[from] ReplaceError),
    /// Its file holds what no header can carry.
    #[error("authorization token file {}: it must hold visible ASCII characters only; empty it to have a token made", .0.display())]
    NotAToken(PathBuf),
    /// The profile's name is no file's.
    #[error("authorization token directory: {0}")]
    ProfileName(#[from] UpdateError),
    /// The profile's name leaves the directory.
    #[error("authorization token directory: profile {0} cannot be a file's name; rename the profile")]
    NotAFileName(String),
}

impl Authorization {
    /// Tokens kept at `location`, in files of this mode.
    pub(crate) fn new(location: TokenLocation, mode: u32) -> Self {
        Self { location, mode, keys: Mutex::default() }
    }

    /// One new token that opens every profile; whoever shall know it must be told.
    pub(crate) fn private() -> (Self, SecretString) {
        let token = random_token();
        let key = Key { profile: None, token: token.clone(), retired: None };
        (
            Self { location: TokenLocation::Memory, mode: 0, keys: Mutex::new(Keys { held: vec![key], looked: None }) },
            token,
        )
    }

    /// Reads the tokens of these profiles, and makes those that are missing. With `rotate`, a directory's are all made
    /// anew, and the old ones count for another minute.
    ///
    /// # Errors
    /// Where a file cannot be written or holds no token; the tokens before stay valid.
    pub(crate) fn load(&self, profiles: &[String], rotate: bool, now: Moment) -> Result<(), AuthorizationError> {
        let before = self.lock().held.len();
        match &self.location {
            TokenLocation::Open | TokenLocation::Memory => return Ok(()),
            TokenLocation::File(path) => self.hold(None, self.token_at(path, false)?),
            TokenLocation::Directory(directory) => {
                for profile in profiles {
                    // Each counts as soon as its file is there, whatever becomes of the next.
                    self.hold(Some(profile.clone()), self.token_at(&file_of(directory, profile)?, rotate)?);
                }
            }
        }
        let mut keys = self.lock();
        for key in keys.held.iter_mut().take(before) {
            key.retired.get_or_insert(now);
        }
        keys.held.retain(|key| !is_over(key, now));
        Ok(())
    }

    /// Whether one of these headers, the only one, opens this profile. Where there is no such profile, any token of ours
    /// may hear so.
    pub(crate) fn allows<'a>(
        &self,
        offered: impl Iterator<Item = &'a HeaderValue>,
        profile: Option<&str>,
        now: Moment,
    ) -> bool {
        if matches!(self.location, TokenLocation::Open) {
            return true;
        }
        let mut offered = offered;
        let (Some(offered), None) = (offered.next(), offered.next()) else { return false };
        self.opens(offered, profile, now) || self.reload_if_changed(profile, now) && self.opens(offered, profile, now)
    }

    fn opens(&self, offered: &HeaderValue, profile: Option<&str>, now: Moment) -> bool {
        let keys = self.lock();
        let opens =
            |key: &&Key| key.profile.as_deref().is_none_or(|opened| profile.is_none_or(|asked| asked == opened));
        // Every key is compared, whichever fits.
        keys.held.iter().filter(|key| !is_over(key, now)).filter(opens).fold(false, |found, key| {
            found | bool::from(key.token.expose_secret().as_bytes().ct_eq(offered.as_bytes()))
        })
    }

    /// Whether the file of this profile's token holds another one by now, which then counts; the one before, a minute longer.
    fn reload_if_changed(&self, profile: Option<&str>, now: Moment) -> bool {
        let (path, profile) = match (&self.location, profile) {
            (TokenLocation::File(path), _) => (path.clone(), None),
            (TokenLocation::Directory(directory), Some(profile)) => match file_of(directory, profile) {
                Ok(path) => (path, Some(profile)),
                Err(_) => return false,
            },
            _ => return false,
        };
        let mut keys = self.lock();
        if keys.looked.is_some_and(|looked| now.since(looked) < RECHECK_INTERVAL) {
            return false;
        }
        keys.looked = Some(now);
        let Some(token) = read(&path).and_then(|token| checked(token, &path).ok()) else { return false };
        let current = |key: &Key| key.profile.as_deref() == profile && key.retired.is_none();
        if keys.held.iter().any(|key| current(key) && key.token.expose_secret() == token.expose_secret()) {
            return false;
        }
        for key in keys.held.iter_mut().filter(|key| current(key)) {
            key.retired = Some(now);
        }
        keys.held.retain(|key| !is_over(key, now));
        keys.held.push(Key { profile: profile.map(str::to_owned), token, retired: None });
        tracing::info!(path = %path.display(), "authorization token changed in its file");
        true
    }

    fn hold(&self, profile: Option<String>, token: SecretString) {
        self.lock().held.push(Key { profile, token, retired: None });
    }

    /// The token in a file, which is kept where there is one.
    fn token_at(&self, path: &Path, rotate: bool) -> Result<SecretString, AuthorizationError> {
        // The token that is there, without anything around it.
        let metadata = std::fs::metadata(path).ok();
        let is_whole = |token: &SecretString| {
            metadata.as_ref().is_some_and(|file| file.len() == token.expose_secret().len() as u64)
        };
        let own = if rotate { None } else { read(path).filter(is_whole) };
        let has_mode = metadata.as_ref().is_some_and(|file| file.permissions().mode() & 0o7777 == self.mode);
        if let (Some(own), true) = (&own, has_mode) {
            return checked(own.clone(), path);
        }
        let mut token = SecretString::from(String::new());
        let replaced = replace(path, self.mode, |existing| {
            let kept = std::str::from_utf8(existing).unwrap_or_default().trim();
            token = if rotate || kept.is_empty() { random_token() } else { kept.into() };
            Ok::<_, ReplaceError>(token.expose_secret().as_bytes().to_vec())
        });
        match (replaced, own) {
            (Ok(_), _) => checked(token, path),
            // Perhaps a read-only mount, such as a Secret's: its mode is somebody else's affair.
            (Err(_), Some(own)) => checked(own, path),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token in a file, where there is one.
fn read(path: &Path) -> Option<SecretString> {
    let text = bounded_file::read(path, MAX_TOKEN_LENGTH).ok()?;
    let token = text.trim();
    (!token.is_empty()).then(|| token.into())
}

fn is_over(key: &Key, now: Moment) -> bool {
    key.retired.is_some_and(|retired| now.since(retired) >= OVERLAP)
}

fn checked(token: SecretString, path: &Path) -> Result<SecretString, AuthorizationError> {
    let is_header = token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    if is_header { Ok(token) } else { Err(AuthorizationError::NotAToken(path.to_owned())) }
}

fn file_of(directory: &Path, profile: &str) -> Result<PathBuf, AuthorizationError> {
    check_profile_name(profile)?;
    if profile.contains('/') || profile.starts_with('.') {
        return Err(AuthorizationError::NotAFileName(profile.to_owned()));
    }
    Ok(directory.join(profile))
}

/// A token that nobody can guess: 256 bits of the system's randomness.
pub(crate) fn random_token() -> SecretString {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let random = rustls::crypto::ring::default_provider().secure_random;
    // The system's generator fails only where the kernel has none, and then there must be no token.
    #[expect(clippy::expect_used, reason = "a token that can be guessed is worse than none")]
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
    fn each_token_of_a_directory_opens_its_own_profile_and_rotates_with_an_overlap() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let authorization = Authorization::new(TokenLocation::Directory(directory.path().into()), 0o600);
        let profiles = ["a".to_owned(), "b".to_owned()];
        let token = |profile: &str| std::fs::read_to_string(directory.path().join(profile)).expect("a token");
        authorization.load(&profiles, false, at(0)).expect("loaded");
        let first = token("a");
        assert_eq!(first.trim().len(), 43);
        assert!(allows(&authorization, &first, "a", 0) && !allows(&authorization, &first, "b", 0));

        authorization.load(&profiles, true, at(100)).expect("rotated");
        assert_ne!(token("a"), first);
        assert!(allows(&authorization, &token("a"), "a", 100) && allows(&authorization, &first, "a", 159));
        assert!(!allows(&authorization, &first, "a", 160));
    }

    #[test]
    fn a_file_s_own_token_is_kept_without_its_newline() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "given-by-hand\n").expect("written");
        let authorization = Authorization::new(TokenLocation::File(path.clone()), 0o600);
        authorization.load(&[], false, at(0)).expect("loaded");
        assert_eq!(std::fs::read_to_string(&path).expect("a token"), "given-by-hand");
        assert!(allows(&authorization, "given-by-hand", "any", 1));
        for wrong in ["given-by-han", "given-by-hand ", "Bearer given-by-hand", ""] {
            assert!(!allows(&authorization, wrong, "any", 1), "{wrong:?}");
        }
        assert!(!authorization.allows(std::iter::empty(), Some("any"), at(1)));

        std::fs::write(&path, "två ord").expect("written");
        assert!(authorization.load(&[], false, at(2)).is_err() && allows(&authorization, "given-by-hand", "any", 3));
    }

    #[test]
    fn a_profile_that_would_leave_the_directory_is_refused() {
        for name in ["../other", "a/b", ".hidden"] {
            assert!(file_of(Path::new("/tokens"), name).is_err(), "{name}");
        }
    }
}
