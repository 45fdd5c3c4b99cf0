//! The store of all profiles' credentials: one writer for each profile, and many readers. Readers never cause an STS
//! call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::{
    arn::{Region, RoleArn},
    chain::error::Failure,
    clock::{Clock, Moment},
    credentials::Expiry,
    lease::Lease,
    plan::ChainPlan,
    schedule::window::EXPIRY_MARGIN,
};

pub(crate) struct Store {
    profiles: watch::Sender<Arc<[Arc<Profile>]>>,
    changes: watch::Sender<u64>,
    /// Whether `run` writes profiles to a credentials file.
    has_file: AtomicBool,
    clock: Arc<dyn Clock>,
}

/// One profile in the store.
pub(crate) struct Profile {
    name: String,
    role_arn: Option<RoleArn>,
    region: Option<Region>,
    state: watch::Sender<ProfileState>,
    /// Whether the credentials file lacks the profile or its last credentials.
    awaits_file: AtomicBool,
    /// When the profile was added.
    created: Moment,
    /// Wakes the refresh loop during a back-off.
    refresh_requests: Notify,
}

/// Maximum time that a request waits for the first credentials. It is below the timeout of 1 s in botocore and other
/// SDKs.
const FIRST_CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(800);

/// The state of one profile.
#[derive(Clone, Default)]
pub(crate) struct ProfileState {
    /// The last credentials, which can have expired.
    pub(crate) lease: Option<Arc<Lease>>,
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
    /// Names of the profiles that are not yet written to the credentials file.
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
        let profiles: Arc<[Arc<Profile>]> = chains
            .iter()
            .map(|chain| {
                let old = before.iter().find(|old| old.name == chain.profile);
                let state = old.map(|old| old.state()).unwrap_or_default();
                let awaits_file = old.map_or(&self.has_file, |old| &old.awaits_file).load(Ordering::Relaxed);
                Arc::new(Profile {
                    name: chain.profile.clone(),
                    role_arn: chain.role_arn().cloned(),
                    region: chain.region.clone(),
                    state: watch::Sender::new(state),
                    awaits_file: AtomicBool::new(awaits_file),
                    created: old.map_or_else(|| self.now(), |old| old.created),
                    refresh_requests: Notify::new(),
                })
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
            unwritten: names(&|profile| profile.awaits_file.load(Ordering::Relaxed)),
        })
    }

    /// Makes all profiles, present and future, report ready only after their first write to the credentials file.
    pub(crate) fn require_first_write(&self) {
        self.has_file.store(true, Ordering::Relaxed);
        for profile in self.profiles().iter() {
            profile.awaits_file.store(true, Ordering::Relaxed);
        }
    }

    fn touch(&self) {
        self.changes.send_modify(|version| *version += 1);
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

    /// Returns a snapshot of the state.
    pub(crate) fn state(&self) -> ProfileState {
        self.state.borrow().clone()
    }

    /// Records that the profile has been written to the credentials file.
    pub(crate) fn mark_written(&self) {
        self.awaits_file.store(false, Ordering::Relaxed);
    }

    /// Asks the refresh loop for an attempt, because a request found no credentials. Has an effect only during a back-off.
    pub(crate) fn request_refresh(&self) {
        self.refresh_requests.notify_one();
    }

    /// Returns a message for applications that says since when the profile has no credentials, and the kind of the last error.
    /// The error's text stays in the log.
    pub(crate) fn unavailable_message(&self) -> String {
        let state = self.state.borrow();
        let end = state.lease.as_ref().and_then(|lease| lease.credentials.expiry());
        let since = end
            .map_or_else(|| Expiry::from(self.created.wall), |expiry| Expiry::from(expiry.as_time() - EXPIRY_MARGIN));
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

    /// Returns the lease and its generation, or `None` if there are no servable credentials.
    pub(crate) fn servable(&self, now: Moment) -> Option<(Arc<Lease>, u64)> {
        let state = self.state.borrow();
        let lease = state.lease.as_ref().filter(|lease| lease.window.is_servable(now))?;
        Some((Arc::clone(lease), state.generation))
    }

    /// Returns the same as [`Self::servable`], but waits for the first credentials for up to 0.8 s: a client that
    /// starts together with credvend might not retry.
    pub(crate) async fn servable_soon(&self, clock: &dyn Clock) -> Option<(Arc<Lease>, u64)> {
        let has_lease = self.state.borrow().lease.is_some();
        if !has_lease {
            let mut state = self.state.subscribe();
            // `wait_for` fails only if the sender is dropped, and `self` holds the sender.
            tokio::select! {
                _ = state.wait_for(|state| state.lease.is_some()) => {}
                () = clock.sleep(FIRST_CREDENTIALS_TIMEOUT) => {}
            }
        }
        self.servable(clock.now())
    }
}

impl Publisher {
    /// Waits until a request finds no credentials. A request since the last call counts.
    pub(crate) async fn refresh_requested(&self) {
        self.profile.refresh_requests.notified().await;
    }

    /// Publishes new credentials to all readers.
    pub(crate) fn publish(&self, lease: Lease) {
        self.profile.state.send_modify(|state| {
            state.lease = Some(Arc::new(lease));
            state.generation = next_generation();
            state.failure = None;
        });
        self.store.touch();
    }

    /// Records a failed attempt. Published credentials stay.
    pub(crate) fn failed(&self, failure: Failure) {
        self.profile.state.send_modify(|state| state.failure = Some(Arc::new(failure)));
        self.store.touch();
    }
}

/// Returns a number that is unique among all leases of all profiles.
fn next_generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    GENERATION.fetch_add(1, Ordering::Relaxed) + 1
}
