//! The store of all profiles' credentials: one writer for each profile, and many readers. Readers never cause an STS
//! call.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, watch};

use crate::{
    arn::{Region, RoleArn},
    chain::error::Failure,
    clock::{Clock, Moment},
    credentials::Expiry,
    lease::Lease,
    plan::ChainPlan,
    schedule::window::{EXPIRY_MARGIN, Window},
    token::TokenFile,
};

pub(crate) struct Store {
    profiles: watch::Sender<Arc<[Arc<Profile>]>>,
    changes: watch::Sender<u64>,
    /// Whether `run` writes profiles to a credentials file.
    has_file: AtomicBool,
    clock: Arc<dyn Clock>,
}

/// One profile in the store. A reload that changes its role, region or token file replaces it; both share the state.
pub(crate) struct Profile {
    name: String,
    role_arn: Option<RoleArn>,
    region: Option<Region>,
    /// The file of the web identity token at the chain's base, if there is one.
    token_file: Option<TokenFile>,
    state: Arc<watch::Sender<ProfileState>>,
    /// Whether the credentials file lacks the profile or its last credentials.
    awaits_file: Arc<AtomicBool>,
    /// The credentials in the credentials file.
    in_file: Arc<Mutex<Option<InFile>>>,
    /// When the profile was added.
    created: Moment,
    /// Wakes the refresh loop.
    refresh_requests: Arc<Notify>,
}

/// What the credentials file holds of a profile.
#[derive(Clone, Copy)]
struct InFile {
    window: Window,
    generation: u64,
}

/// The state of one profile.
#[derive(Clone, Default)]
pub(crate) struct ProfileState {
    /// The last credentials, which can have expired.
    pub(crate) lease: Option<Arc<Lease>>,
    /// Whether the credentials are those of a previous configuration.
    pub(crate) is_stale: bool,
    /// When STS ended the last credentials before their time.
    withdrawn: Option<Moment>,
    /// Number that changes with each lease. Rendered documents are cached by it.
    pub(crate) generation: u64,
    /// The last attempt's failure, or `None` after a success.
    pub(crate) failure: Option<Arc<Failure>>,
}

/// The profiles that are not ready, by reason. If both lists are empty, all are ready.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Names of the profiles without servable credentials.
    pub(crate) without_credentials: Vec<String>,
    /// Names of the profiles whose current credentials are not in the credentials file.
    pub(crate) unwritten: Vec<String>,
}

/// The writer of one profile.
pub(crate) struct Publisher {
    profile: Arc<Profile>,
    store: Arc<Store>,
}

impl Store {
    /// Returns a store without profiles.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            profiles: watch::Sender::new(Arc::from([])),
            changes: watch::Sender::new(0),
            has_file: AtomicBool::new(false),
            clock,
        })
    }

    /// Replaces the list of profiles. Profiles that exist already keep their state. Returns the publishers in the
    /// order of `chains`.
    pub(crate) fn set_profiles(self: &Arc<Self>, chains: &[ChainPlan]) -> Vec<Publisher> {
        let before = self.profiles();
        let existing = |chain: &ChainPlan| before.iter().find(|old| old.name == chain.profile);
        let profiles: Arc<[Arc<Profile>]> = chains
            .iter()
            .map(|chain| match existing(chain) {
                Some(old) if old.is_as_in(chain) => Arc::clone(old),
                old => Arc::new(Profile {
                    name: chain.profile.clone(),
                    role_arn: chain.role_arn().cloned(),
                    region: chain.region.clone(),
                    token_file: chain.base.web_identity().map(|base| base.token_file.clone()),
                    state: old.map(|old| Arc::clone(&old.state)).unwrap_or_default(),
                    awaits_file: old.map_or_else(
                        || Arc::new(self.has_file.load(Ordering::Relaxed).into()),
                        |old| Arc::clone(&old.awaits_file),
                    ),
                    in_file: old.map(|old| Arc::clone(&old.in_file)).unwrap_or_default(),
                    created: old.map_or_else(|| self.now(), |old| old.created),
                    refresh_requests: old.map(|old| Arc::clone(&old.refresh_requests)).unwrap_or_default(),
                }),
            })
            .collect();
        self.profiles.send_replace(Arc::clone(&profiles));
        self.touch();
        profiles.iter().map(|profile| Publisher { profile: Arc::clone(profile), store: Arc::clone(self) }).collect()
    }

    /// Returns all profiles. The first is the default.
    pub(crate) fn profiles(&self) -> Arc<[Arc<Profile>]> {
        Arc::clone(&self.profiles.borrow())
    }

    /// Subscribes to changes of the list of profiles and of each profile's state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads the clock that measures leases.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Returns the readiness of all profiles, or of the profile `only`. Returns `None` if that profile does not exist.
    pub(crate) fn readiness(&self, only: Option<&str>) -> Option<Readiness> {
        let now = self.now();
        let profiles = self.profiles();
        let selected: Vec<_> = profiles.iter().filter(|profile| only.is_none_or(|name| name == profile.name)).collect();
        if only.is_some() && selected.is_empty() {
            return None;
        }
        let names = |is_unready: &dyn Fn(&Profile) -> bool| -> Vec<String> {
            selected.iter().filter(|profile| is_unready(profile)).map(|profile| profile.name.clone()).collect()
        };
        Some(Readiness {
            without_credentials: names(&|profile| profile.servable(now).is_none()),
            unwritten: names(&|profile| {
                let is_outdated = profile.in_file().is_some_and(|written| !written.window.is_servable(now));
                is_outdated || profile.awaits_file.load(Ordering::Relaxed)
            }),
        })
    }

    /// Makes all profiles, present and future, report ready only after their first write to the credentials file.
    pub(crate) fn require_first_write(&self) {
        self.has_file.store(true, Ordering::Relaxed);
        for profile in self.profiles().iter() {
            profile.awaits_file.store(true, Ordering::Relaxed);
        }
    }

    /// Records that credentials of `profile` with this window and generation have been written to the credentials file.
    pub(crate) fn mark_written(&self, profile: &Profile, window: Window, generation: u64) {
        *profile.in_file.lock().unwrap_or_else(PoisonError::into_inner) = Some(InFile { window, generation });
        profile.awaits_file.store(false, Ordering::Relaxed);
        self.touch();
    }

    /// Returns a number that changes with each lease in the credentials file or, if there is no file, with each lease. Zero means that
    /// there was none.
    pub(crate) fn delivered_generation(&self, profile: &Profile) -> u64 {
        match self.has_file.load(Ordering::Relaxed) {
            true => profile.in_file().map_or(0, |written| written.generation),
            false => profile.state.borrow().generation,
        }
    }

    /// Returns whether the credentials file holds the last credentials of `profile`, or `None` if there is no file or the profile
    /// has no credentials.
    pub(crate) fn is_file_current(&self, profile: &Profile) -> Option<bool> {
        let state = profile.state.borrow();
        let is_written = || profile.in_file().is_some_and(|written| written.generation == state.generation);
        (self.has_file.load(Ordering::Relaxed) && state.lease.is_some())
            .then(|| is_written() && !profile.awaits_file.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

impl ProfileState {
    /// Returns the role of the credentials, if they are those of a role. Before the first exchange, returns `configured`.
    pub(crate) fn role_arn<'a>(&'a self, configured: Option<&'a RoleArn>) -> Option<&'a RoleArn> {
        self.lease.as_ref().map_or(configured, |lease| lease.credentials.role_arn())
    }

    /// Returns the time until the next refresh or, after a failure, until the next attempt. Returns `None` before the first attempt
    /// has ended, and for credentials that need no refresh.
    pub(crate) fn until_attempt(&self, now: Moment) -> Option<Duration> {
        match &self.failure {
            Some(failure) => Some(failure.until_retry(now)),
            None => self.lease.as_ref().and_then(|lease| lease.window.until_next_refresh(now)),
        }
    }
}

impl Profile {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role of the last hop, if the chain assumes a role.
    pub(crate) fn role_arn(&self) -> Option<&RoleArn> {
        self.role_arn.as_ref()
    }

    /// Returns the region to pass to applications, if known.
    pub(crate) fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Returns the file of the web identity token at the chain's base, if there is one.
    pub(crate) fn token_file(&self) -> Option<&TokenFile> {
        self.token_file.as_ref()
    }

    fn is_as_in(&self, chain: &ChainPlan) -> bool {
        self.role_arn.as_ref() == chain.role_arn()
            && self.region == chain.region
            && self.token_file.as_ref() == chain.base.web_identity().map(|base| &base.token_file)
    }

    /// Returns a snapshot of the state.
    pub(crate) fn state(&self) -> ProfileState {
        self.state.borrow().clone()
    }

    fn in_file(&self) -> Option<InFile> {
        *self.in_file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the refresh loop for an attempt, because a request found no credentials. It makes one within 2 s, even during a back-off.
    pub(crate) fn request_refresh(&self) {
        self.refresh_requests.notify_one();
    }

    /// Returns a message for applications that says since when the profile has no credentials, and the kind of the last error.
    /// The error's text stays in the log.
    pub(crate) fn unavailable_message(&self) -> String {
        let state = self.state.borrow();
        let end = state.lease.as_ref().and_then(|lease| lease.credentials.expiry());
        let since = end.map_or_else(
            || Expiry::from(state.withdrawn.unwrap_or(self.created).wall),
            |expiry| Expiry::from(expiry.as_time() - EXPIRY_MARGIN),
        );
        let reason = match &state.failure {
            Some(failure) => format!("last error: {}", failure.error.kind()),
            None => "the exchange is in progress".to_owned(),
        };
        format!("no valid credentials for profile {} since {since} ({reason}); the log of credvend says why", self.name)
    }

    /// Records that the profile could not be written to the credentials file.
    pub(crate) fn mark_unwritten(&self) {
        self.awaits_file.store(true, Ordering::Relaxed);
    }

    /// Returns the lease, or `None` if there are no servable credentials.
    pub(crate) fn servable(&self, now: Moment) -> Option<Arc<Lease>> {
        self.state.borrow().lease.clone().filter(|lease| lease.window.is_servable(now))
    }

    /// Returns the same as [`Self::servable`], but waits for the first credentials for up to `timeout`: a client that starts together
    /// with credvend might not retry.
    pub(crate) async fn servable_soon(&self, clock: &dyn Clock, timeout: Duration) -> Option<Arc<Lease>> {
        let has_lease = self.state.borrow().lease.is_some();
        if !has_lease {
            let mut state = self.state.subscribe();
            // `wait_for` fails only if the sender is dropped, and `self` holds the sender.
            tokio::select! {
                _ = state.wait_for(|state| state.lease.is_some()) => {}
                () = clock.sleep(timeout) => {}
            }
        }
        self.servable(clock.now())
    }
}

impl Publisher {
    /// Returns the name of the profile.
    pub(crate) fn profile(&self) -> &str {
        self.profile.name()
    }

    /// Waits until a request finds no credentials. A request since the last call counts.
    pub(crate) async fn refresh_requested(&self) {
        loop {
            self.profile.refresh_requests.notified().await;
            // The request may have come before the last lease.
            if self.profile.servable(self.store.now()).is_none() {
                return;
            }
        }
    }

    /// Publishes credentials to all readers, unless they are published already.
    pub(crate) fn publish(&self, lease: Lease) {
        let is_changed = self.profile.state.send_if_modified(|state| {
            let is_published = state.lease.as_ref().is_some_and(|old| old.credentials.is_same(&lease.credentials));
            if is_published && state.failure.is_none() && !state.is_stale {
                return false;
            }
            let generation = if is_published { state.generation } else { next_generation() };
            *state = ProfileState { lease: Some(Arc::new(lease)), generation, ..ProfileState::default() };
            true
        });
        if is_changed {
            self.store.touch();
        }
    }

    /// Records a failed attempt. Published credentials stay, unless they are void: STS rejected them, or they have expired by
    /// `sts_time`, a confirmed time of STS.
    pub(crate) fn failed(&self, failure: Failure, sts_time: Option<SystemTime>) {
        self.profile.state.send_modify(|state| {
            let expiry = state.lease.as_ref().and_then(|lease| lease.credentials.expiry());
            let has_expired = expiry.zip(sts_time).is_some_and(|(expiry, now)| expiry.as_time() <= now);
            if (failure.is_lease_void || has_expired) && state.lease.take().is_some() {
                state.withdrawn = Some(failure.at);
                tracing::warn!(profile = self.profile(), "credentials withdrawn: they are no longer valid at STS");
            }
            state.failure = Some(Arc::new(failure));
        });
        self.store.touch();
    }

    /// Marks the published credentials, if any, as those of a previous configuration, until the next ones are published.
    pub(crate) fn mark_stale(&self) {
        let role_arn = |role_arn: Option<&RoleArn>| role_arn.map_or("none", RoleArn::as_str).to_owned();
        self.profile.state.send_if_modified(|state| {
            let Some(lease) = &state.lease else { return false };
            tracing::warn!(
                profile = self.profile(),
                role_arn = role_arn(lease.credentials.role_arn()),
                configured_role_arn = role_arn(self.profile.role_arn()),
                "credentials of the previous configuration are served until the first exchange succeeds"
            );
            state.is_stale = true;
            true
        });
    }
}

/// Returns a number that is unique among all leases of all profiles.
fn next_generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    GENERATION.fetch_add(1, Ordering::Relaxed) + 1
}
