//! The tokens of one token file: the current one, and those that it replaced less than a minute ago.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::token_file::Content;
use crate::{atomic_file::ReplaceError, clock::Moment};

/// Time for which a token stays valid after its replacement.
const OVERLAP: Duration = Duration::from_secs(60);
/// Minimum time between two reads of a token file that has not changed by its metadata.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The tokens of one file, and what is known about the file.
pub(super) struct Account {
    /// The profile that the tokens give access to; `None` for all profiles.
    pub(super) profile: Option<String>,
    keys: Vec<Key>,
    checked_at: Option<Moment>,
    stamp: Option<Stamp>,
    /// Whether the deleted file is being written.
    is_restoring: bool,
    /// Whether the last access to the file failed, so that further failures are not logged.
    is_failing: bool,
}

/// Metadata that changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { inode: (file.dev(), file.ino()), modified: (file.mtime(), file.mtime_nsec()), size: file.size() })
    }
}

struct Key {
    token: SecretString,
    /// Time of the replacement by another token. The token stays valid for [`OVERLAP`] from then on.
    replaced_at: Option<Moment>,
}

impl Account {
    pub(super) fn new(profile: Option<String>, token: SecretString) -> Self {
        let keys = vec![Key { token, replaced_at: None }];
        Self { profile, keys, checked_at: None, stamp: None, is_restoring: false, is_failing: false }
    }

    /// Returns true if the tokens give access to `profile`, or with `None`, to any profile.
    pub(super) fn covers(&self, profile: Option<&str>) -> bool {
        self.profile.as_deref().is_none_or(|owner| profile.is_none_or(|profile| profile == owner))
    }

    /// Returns true if `offered` is a valid token.
    pub(super) fn accepts(&self, offered: &[u8], now: Moment) -> bool {
        let valid = self.keys.iter().filter(|key| !key.is_expired(now));
        valid.fold(false, |found, key| found | is_same(key.token.expose_secret().as_bytes(), offered))
    }

    /// Makes `token` the current one. The previous token stays valid for another minute. Returns false if the token is the
    /// current one already.
    pub(super) fn rotate(&mut self, token: SecretString, now: Moment) -> bool {
        if self.current().is_some_and(|current| current.expose_secret() == token.expose_secret()) {
            return false;
        }
        self.retire(now);
        self.keys.push(Key { token, replaced_at: None });
        true
    }

    /// Ends the validity of the current token in a minute, because its profile no longer exists.
    pub(super) fn retire(&mut self, now: Moment) {
        for key in &mut self.keys {
            key.replaced_at.get_or_insert(now);
        }
        self.keys.retain(|key| !key.is_expired(now));
    }

    /// Removes expired tokens and returns true if any are left.
    pub(super) fn has_keys(&mut self, now: Moment) -> bool {
        self.keys.retain(|key| !key.is_expired(now));
        !self.keys.is_empty()
    }

    /// Returns true if the file has to be read again. The next time is a second later.
    pub(super) fn take_check(&mut self, now: Moment) -> bool {
        let is_due = self.checked_at.is_none_or(|checked_at| now.since(checked_at) >= CHECK_INTERVAL);
        if !is_due || self.is_restoring || self.current().is_none() {
            return false;
        }
        self.checked_at = Some(now);
        self.keys.retain(|key| !key.is_expired(now));
        true
    }

    /// Records the metadata of the file, before it is read. Returns true if it differs from the recorded one: the file has to be
    /// read before a token is refused. Comparing it costs a system call, so guessing does not keep the disk busy.
    pub(super) fn take_change(&mut self, path: &Path) -> bool {
        let stamp = Stamp::of(path);
        std::mem::replace(&mut self.stamp, stamp) != stamp && !self.is_restoring
    }

    /// Compares the current token with the content of its file, and accepts a new one. Returns the token to write if the file
    /// does not exist. An unusable file changes nothing.
    pub(super) fn compare(&mut self, path: &Path, content: io::Result<Content>, now: Moment) -> Option<SecretString> {
        match content {
            Ok(Content::Token(token)) => {
                self.is_failing = false;
                if self.rotate(token, now) {
                    tracing::info!(path = %path.display(), "authorization token reloaded");
                }
            }
            // A writer may be about to fill the file.
            Ok(Content::Empty) => {}
            Ok(Content::Missing) => {
                self.is_restoring = true;
                return self.current().cloned();
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let path = path.display();
                    tracing::warn!(%path, %error, "authorization token file not read: the previous token stays valid");
                }
            }
        }
        None
    }

    /// Records that the deleted file has been written, or could not be written. The next check tries again.
    pub(super) fn restored(&mut self, path: &Path, error: Option<&ReplaceError>) {
        self.is_restoring = false;
        let was_failing = std::mem::replace(&mut self.is_failing, error.is_some());
        let path = path.display();
        match error {
            None => tracing::info!(%path, "authorization token file written again"),
            Some(error) if !was_failing => tracing::error!(%path, %error, "authorization token file not written"),
            Some(_) => {}
        }
    }

    fn current(&self) -> Option<&SecretString> {
        self.keys.iter().find(|key| key.replaced_at.is_none()).map(|key| &key.token)
    }
}

/// Compares in a time that depends only on the lengths. Words are compared, because each step of [`subtle`] costs a call.
fn is_same(token: &[u8], offered: &[u8]) -> bool {
    let ((words, rest), (offered_words, offered_rest)) = (token.as_chunks(), offered.as_chunks());
    let pairs =
        words.iter().zip(offered_words).map(|(one, other)| (u64::from_ne_bytes(*one), u64::from_ne_bytes(*other)));
    let is_same = pairs.fold(rest.ct_eq(offered_rest), |same, (one, other)| same & one.ct_eq(&other));
    token.len() == offered.len() && is_same.into()
}

impl Key {
    fn is_expired(&self, now: Moment) -> bool {
        self.replaced_at.is_some_and(|replaced_at| now.since(replaced_at) >= OVERLAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_same_if_every_byte_is() {
        for length in 0..=43 {
            let token = vec![b'a'; length];
            assert!(is_same(&token, &token), "{length}");
            for position in 0..length {
                let mut other = token.clone();
                other[position] = b'b';
                assert!(!is_same(&token, &other) && !is_same(&token, &other[..position]), "{length}, {position}");
            }
            assert!(!is_same(&token, &[&token[..], b"a"].concat()), "{length}");
        }
    }
}
