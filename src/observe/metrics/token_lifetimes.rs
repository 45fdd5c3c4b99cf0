//! The lifetimes of the web identity tokens in their files.
//!
//! A token that an exchange used says little about the file now: the next exchange can be hours later, and the kubelet replaces the
//! token meanwhile. So the files are read when the metrics are, at most once a second, on a thread that may block.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use crate::{clock::Moment, process::blocking::spawn_blocking, store::Store, token::TokenFile};

/// Minimum time between two readings. It does not depend on the number of requests for the metrics.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The times in a token's claims.
#[derive(Clone, Copy, Default)]
pub(super) struct TokenLifetime {
    pub(super) issued: Option<SystemTime>,
    pub(super) expiry: Option<SystemTime>,
}

#[derive(Default)]
pub(super) struct TokenLifetimes(Mutex<State>);

#[derive(Default)]
struct State {
    /// When the last reading began.
    began: Option<Moment>,
    /// True during a reading. A file system that hangs then holds one thread, not one for each request.
    is_reading: bool,
    by_file: HashMap<TokenFile, TokenLifetime>,
}

impl TokenLifetimes {
    /// Reads the token files of all profiles, unless that has just been done.
    pub(super) async fn update(self: &Arc<Self>, store: &Store) {
        let profiles = store.profiles();
        let files: HashSet<TokenFile> = profiles.iter().filter_map(|profile| profile.token_file().cloned()).collect();
        if !files.is_empty() && self.begin(store.now()) {
            let lifetimes = Arc::clone(self);
            spawn_blocking(move || lifetimes.read(files)).await;
        }
    }

    /// Returns the lifetime of the token in `file`, or `None` if there was no readable token in it.
    pub(super) fn of(&self, file: &TokenFile) -> Option<TokenLifetime> {
        self.state().by_file.get(file).copied()
    }

    fn begin(&self, now: Moment) -> bool {
        let mut state = self.state();
        let is_due = state.began.is_none_or(|began| now.since(began) >= MIN_INTERVAL);
        if state.is_reading || !is_due {
            return false;
        }
        (state.began, state.is_reading) = (Some(now), true);
        true
    }

    fn read(&self, files: HashSet<TokenFile>) {
        let lifetime = |file: TokenFile| {
            let token = file.read().ok()?;
            let lifetime = TokenLifetime { issued: token.claims().issued_at(), expiry: token.claims().expiry() };
            Some((file, lifetime))
        };
        let by_file = files.into_iter().filter_map(lifetime).collect();
        let mut state = self.state();
        (state.is_reading, state.by_file) = (false, by_file);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
