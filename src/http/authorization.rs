//! Authorization tokens of the listeners: generated here, read from files by applications, compared in constant time.
//!
//! A token file has no trailing newline, because SDKs send the file's content unchanged and most of them refuse a
//! newline. SDKs read the file for each request. Requests make credvend read the file again, at most once a second for each
//! file: another process can have rewritten it (for example, a rotated Secret). The previous token then stays valid for
//! another minute. A file that was deleted is written again with the current token.
//! [Container authorization](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

mod account;
mod token_file;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::header::{self, HeaderMap};
use secrecy::SecretString;

use self::account::Account;
pub(crate) use self::token_file::{AuthorizationError, read_for_client};
use crate::{
    atomic_file::{ReplaceError, Replaced},
    clock::Moment,
    process::blocking::spawn_blocking,
};

/// The authorization tokens and the profiles that they give access to.
pub(crate) struct Authorization {
    location: TokenLocation,
    /// Whether a request without a token passes.
    is_optional: bool,
    /// File mode of token files.
    mode: u32,
    accounts: Mutex<Vec<Account>>,
    written: AtomicU64,
    failed: AtomicU64,
}

/// Numbers of attempts to write a token file, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileWrites {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
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

/// The sender of a request, and what it has access to.
pub(crate) struct Caller<'a> {
    authorization: &'a Arc<Authorization>,
    headers: &'a HeaderMap,
    /// Whether the request came over the network. It must hold a token then, even if tokens are optional.
    is_remote: bool,
    now: Moment,
}

impl<'a> Caller<'a> {
    /// Returns the sender of a request to a listener that only this pod reaches.
    pub(crate) fn in_pod(authorization: &'a Arc<Authorization>, headers: &'a HeaderMap, now: Moment) -> Self {
        Self { authorization, headers, is_remote: false, now }
    }

    /// Returns the sender of a request that arrived on the address `local` of a listener for other machines.
    pub(crate) fn at(
        local: SocketAddr,
        authorization: &'a Arc<Authorization>,
        headers: &'a HeaderMap,
        now: Moment,
    ) -> Self {
        Self { authorization, headers, is_remote: !local.ip().to_canonical().is_loopback(), now }
    }

    /// Returns true if the caller may use `profile`, and so may see its name. With `None` (the profile does not exist), any valid
    /// token is accepted.
    pub(crate) fn may_use(&self, profile: Option<&str>) -> bool {
        let Self { authorization, headers, is_remote, now } = *self;
        if is_remote {
            authorization.is_open() || authorization.holds_token(headers, profile, now)
        } else {
            authorization.allows(headers, profile, now)
        }
    }
}

impl Authorization {
    /// Returns an authorization without tokens. [`Self::load`] reads or generates them at `location`; files get `mode`.
    pub(crate) fn new(location: TokenLocation, is_optional: bool, mode: u32) -> Self {
        Self {
            location,
            is_optional,
            mode,
            accounts: Mutex::default(),
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Generates a token that gives access to all profiles and is stored in memory only. Returns it as well.
    pub(crate) fn private() -> (Self, SecretString) {
        let token = random_token();
        let authorization = Self::new(TokenLocation::Memory, false, 0);
        authorization.accounts().push(Account::new(None, token.clone()));
        (authorization, token)
    }

    /// Reads the tokens of `profiles` and generates the missing ones. Replaced tokens stay valid for another minute.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written or contains no valid token. The previous tokens then stay valid.
    pub(crate) fn load(&self, profiles: &[String], now: Moment) -> Result<(), AuthorizationError> {
        let owners: Vec<_> = match self.location {
            TokenLocation::Open | TokenLocation::Memory => return Ok(()),
            TokenLocation::File(_) => vec![None],
            TokenLocation::Directory(_) => profiles.iter().cloned().map(Some).collect(),
        };
        for owner in &owners {
            let Some(path) = self.path(owner.as_deref())? else { continue };
            // Each token is valid as soon as its file is written, even if a later file fails.
            let loaded = token_file::load_or_generate(&path, self.mode).inspect_err(|error| {
                if matches!(error, AuthorizationError::Replace(_)) {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            });
            let (token, replaced) = loaded?;
            self.written.fetch_add((replaced == Replaced::Written).into(), Ordering::Relaxed);
            self.set(owner, token, now);
        }
        let mut accounts = self.accounts();
        for account in accounts.iter_mut().filter(|account| !owners.contains(&account.profile)) {
            account.retire(now);
        }
        accounts.retain_mut(|account| account.has_keys(now));
        Ok(())
    }

    /// Returns true if no token is configured.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.location, TokenLocation::Open)
    }

    /// Returns true if the request may use `profile`: its token gives access to it, or it needs none. With `None` (the profile
    /// does not exist), any valid token is accepted.
    pub(crate) fn allows(self: &Arc<Self>, headers: &HeaderMap, profile: Option<&str>, now: Moment) -> bool {
        self.is_open() || self.holds_token(headers, profile, now) || self.is_optional && !has_authorization(headers)
    }

    /// Returns true if there is exactly one Authorization header and its token gives access to `profile`, even if none is
    /// needed. With `None`, any valid token is accepted.
    pub(crate) fn holds_token(self: &Arc<Self>, headers: &HeaderMap, profile: Option<&str>, now: Moment) -> bool {
        self.check_files(profile, now, |account| account.take_check(now));
        let mut offered = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(offered), None) = (offered.next(), offered.next()) else { return false };
        if self.accepts(offered.as_bytes(), profile, now) {
            return true;
        }
        // The client may have read a new token before this process did.
        self.check_files(profile, now, |account| {
            let path = self.path(account.profile.as_deref()).ok().flatten();
            path.is_some_and(|path| account.take_change(&path))
        });
        self.accepts(offered.as_bytes(), profile, now)
    }

    fn accepts(&self, offered: &[u8], profile: Option<&str>, now: Moment) -> bool {
        // Compare every key, so that the duration does not depend on which one matches.
        let accounts = self.accounts();
        let covering = accounts.iter().filter(|account| account.covers(profile));
        covering.fold(false, |found, account| found | account.accepts(offered, now))
    }

    /// Returns the numbers of attempts to write a token file, or `None` if the tokens are not in files.
    pub(crate) fn file_writes(&self) -> Option<FileWrites> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let has_files = matches!(self.location, TokenLocation::File(_) | TokenLocation::Directory(_));
        has_files.then(|| FileWrites { succeeded: count(&self.written), failed: count(&self.failed) })
    }

    /// Reads the token files of `profile` again that are due; with `None`, those of all profiles. Each file has its own interval,
    /// so that requests for one profile do not delay the rotation of another's token.
    fn check_files(self: &Arc<Self>, profile: Option<&str>, now: Moment, is_due: impl Fn(&mut Account) -> bool) {
        for account in self.accounts().iter_mut().filter(|account| account.covers(profile)) {
            if !is_due(account) {
                continue;
            }
            let Ok(Some(path)) = self.path(account.profile.as_deref()) else { continue };
            if let Some(token) = account.compare(&path, token_file::read(&path), now) {
                self.restore(account.profile.clone(), path, token);
            }
        }
    }

    /// Writes `token` to its deleted file, on a thread that may block: another writer can hold the lock of the directory.
    fn restore(self: &Arc<Self>, owner: Option<String>, path: PathBuf, token: SecretString) {
        let authorization = Arc::clone(self);
        tokio::spawn(async move {
            let (target, mode) = (path.clone(), authorization.mode);
            let result = spawn_blocking(move || token_file::write_back(&target, mode, &token)).await;
            authorization.restored(owner.as_ref(), &path, result.as_ref().err());
        });
    }

    fn restored(&self, owner: Option<&String>, path: &Path, error: Option<&ReplaceError>) {
        let counter = if error.is_some() { &self.failed } else { &self.written };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(account) = self.accounts().iter_mut().find(|account| account.profile.as_ref() == owner) {
            account.restored(path, error);
        }
    }

    fn set(&self, owner: &Option<String>, token: SecretString, now: Moment) {
        let mut accounts = self.accounts();
        match accounts.iter_mut().find(|account| account.profile == *owner) {
            Some(account) => _ = account.rotate(token, now),
            None => accounts.push(Account::new(owner.clone(), token)),
        }
    }

    /// Returns the path of a token file, or `None` if the tokens are not in files.
    fn path(&self, owner: Option<&str>) -> Result<Option<PathBuf>, AuthorizationError> {
        match (&self.location, owner) {
            (TokenLocation::File(path), _) => Ok(Some(path.clone())),
            (TokenLocation::Directory(directory), Some(profile)) => token_file::path_in(directory, profile).map(Some),
            _ => Ok(None),
        }
    }

    fn accounts(&self) -> MutexGuard<'_, Vec<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_authorization(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
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
    use std::time::{Duration, SystemTime};

    use hyper::header::HeaderValue;

    use super::*;

    fn at(seconds: u64) -> Moment {
        let length = Duration::from_secs(seconds);
        Moment { wall: SystemTime::UNIX_EPOCH + length, monotonic: length }
    }

    fn headers(tokens: &[&str]) -> HeaderMap {
        let header = |token: &&str| (header::AUTHORIZATION, HeaderValue::from_str(token).expect("a header"));
        tokens.iter().map(header).collect()
    }

    fn allows(authorization: &Arc<Authorization>, token: &str, profile: &str, now: u64) -> bool {
        authorization.allows(&headers(&[token]), Some(profile), at(now))
    }

    fn new(location: TokenLocation) -> Arc<Authorization> {
        Arc::new(Authorization::new(location, false, 0o600))
    }

    #[test]
    fn tokens_of_a_directory_give_access_to_their_own_profile_and_rotate_with_an_overlap() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let authorization = new(TokenLocation::Directory(directory.path().into()));
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
        let authorization = new(TokenLocation::File(path.clone()));
        authorization.load(&[], at(0)).expect("loaded");
        assert_eq!(std::fs::read_to_string(&path).expect("a token"), "given-by-hand");
        assert!(allows(&authorization, "given-by-hand", "any", 1));
        for wrong in ["given-by-han", "given-by-hand ", "Bearer given-by-hand", ""] {
            assert!(!allows(&authorization, wrong, "any", 1), "{wrong:?}");
        }
        assert!(!authorization.allows(&headers(&[]), Some("any"), at(1)));

        std::fs::write(&path, "två ord").expect("written");
        assert!(authorization.load(&[], at(2)).is_err() && allows(&authorization, "given-by-hand", "any", 3));
    }

    #[test]
    fn optional_token_is_not_needed_but_a_wrong_one_is_refused() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "right").expect("written");
        let authorization = Arc::new(Authorization::new(TokenLocation::File(path), true, 0o600));
        authorization.load(&[], at(0)).expect("loaded");
        for (tokens, expected) in
            [(&[][..], true), (&["right"], true), (&["wrong"], false), (&[""], false), (&["right", "right"], false)]
        {
            assert_eq!(authorization.allows(&headers(tokens), Some("any"), at(0)), expected, "{tokens:?}");
        }
        assert!(!authorization.holds_token(&headers(&[]), None, at(0)));
    }

    #[test]
    fn rotated_file_is_noticed_by_a_request_with_the_previous_token() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "first").expect("written");
        let authorization = new(TokenLocation::File(path.clone()));
        authorization.load(&[], at(0)).expect("loaded");
        assert!(allows(&authorization, "first", "any", 1));
        std::fs::write(&path, "second").expect("written");
        assert!(allows(&authorization, "first", "any", 2), "starts the last minute of the first token");
        assert!(allows(&authorization, "first", "any", 61) && !allows(&authorization, "first", "any", 62));
        assert!(allows(&authorization, "second", "any", 62));
    }

    #[test]
    fn wrong_tokens_for_one_profile_do_not_delay_the_rotation_of_another() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let authorization = new(TokenLocation::Directory(directory.path().into()));
        authorization.load(&["a".to_owned(), "b".to_owned()], at(0)).expect("loaded");
        std::fs::write(directory.path().join("b"), "second").expect("written");
        for _ in 0..100 {
            assert!(!allows(&authorization, "wrong", "a", 1));
        }
        assert!(allows(&authorization, "second", "b", 1));
    }
}
