//! The store: one writer a profile, many readers, none of whom ever meets STS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    arn::{Region, RoleArn},
    chain::error::Failure,
    clock::{Clock, Moment},
    lease::Lease,
    plan::ChainPlan,
};

/// Every profile's state.
pub(crate) struct Store {
    profiles: watch::Sender<Arc<[Arc<Profile>]>>,
    changes: watch::Sender<u64>,
    /// Whether there is a file that profiles have to be written into.
    has_file: AtomicBool,
    clock: Arc<dyn Clock>,
}

/// One profile in the store.
pub(crate) struct Profile {
    name: String,
    role_arn: Option<RoleArn>,
    region: Option<Region>,
    state: watch::Sender<ProfileState>,
    /// Whether its first write into the file is still to come.
    awaits_file: AtomicBool,
}

/// How long a request waits for the first credentials: less than the second that botocore and others give an endpoint.
const FIRST_CREDENTIALS: Duration = Duration::from_millis(800);

/// What is known of a profile.
#[derive(Clone, Default)]
pub(crate) struct ProfileState {
    /// The last credentials; perhaps no longer servable.
    pub(crate) lease: Option<Arc<Lease>>,
    /// Grows with each lease: what is made of one can be kept until it differs.
    pub(crate) generation: u64,
    /// Why the last attempt failed; `None` after a success.
    pub(crate) failure: Option<Arc<Failure>>,
}

/// What keeps profiles from being ready: nothing, where both are empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The names of those that hold no servable credentials.
    pub(crate) without_credentials: Vec<String>,
    /// The names of those that are not yet in their file.
    pub(crate) unwritten: Vec<String>,
}

/// The writing end of one profile.
pub(crate) struct Publisher {
    profile: Arc<Profile>,
    store: Arc<Store>,
}

impl Store {
    /// A store without profiles.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            profiles: watch::Sender::new(Arc::from([])),
            changes: watch::Sender::new(0),
            has_file: AtomicBool::new(false),
            clock,
        })
    }

    /// Takes over a new list of profiles; one that was here before keeps what it holds. Gives the writing ends in order.
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
                })
            })
            .collect();
        self.profiles.send_replace(Arc::clone(&profiles));
        self.touch();
        profiles.iter().map(|profile| Publisher { profile: Arc::clone(profile), store: Arc::clone(self) }).collect()
    }

    /// The profiles, the first of them the default one.
    pub(crate) fn profiles(&self) -> Arc<[Arc<Profile>]> {
        Arc::clone(&self.profiles.borrow())
    }

    /// Tells of every change to any profile, or to their list.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The clock that leases are measured by.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// What keeps the profiles, all or the one asked for, from being ready.
    ///
    /// `None` where there is no such profile.
    pub(crate) fn readiness(&self, only: Option<&str>) -> Option<Readiness> {
        let now = self.now();
        let profiles = self.profiles();
        let asked: Vec<_> = profiles.iter().filter(|profile| only.is_none_or(|name| name == profile.name)).collect();
        if only.is_some() && asked.is_empty() {
            return None;
        }
        let names = |lacks: &dyn Fn(&Profile) -> bool| -> Vec<String> {
            asked.iter().filter(|profile| lacks(profile)).map(|profile| profile.name.clone()).collect()
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
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The role that its credentials belong to.
    pub(crate) fn role_arn(&self) -> Option<&RoleArn> {
        self.role_arn.as_ref()
    }

    /// The region that applications are told, where one is known.
    pub(crate) fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// What is known of it now.
    pub(crate) fn state(&self) -> ProfileState {
        self.state.borrow().clone()
    }

    /// Its credentials are in their file.
    pub(crate) fn mark_written(&self) {
        self.awaits_file.store(false, Ordering::Relaxed);
    }

    /// Its credentials with their generation, as long as they may be served.
    pub(crate) fn servable(&self, now: Moment) -> Option<(Arc<Lease>, u64)> {
        let state = self.state.borrow();
        let lease = state.lease.as_ref().filter(|lease| lease.window.is_servable(now))?;
        Some((Arc::clone(lease), state.generation))
    }

    /// As [`Self::servable`], but the first credentials are waited for a moment: a client that starts together with credvend
    /// may not ask twice.
    pub(crate) async fn servable_soon(&self, clock: &dyn Clock) -> Option<(Arc<Lease>, u64)> {
        let has_begun = self.state.borrow().lease.is_some();
        if !has_begun {
            let mut state = self.state.subscribe();
            // The sender lives as long as `self`, so the wait ends only with credentials.
            tokio::select! {
                _ = state.wait_for(|state| state.lease.is_some()) => {}
                () = clock.sleep(FIRST_CREDENTIALS) => {}
            }
        }
        self.servable(clock.now())
    }
}

impl Publisher {
    /// Hands new credentials to every reader.
    pub(crate) fn publish(&self, lease: Lease) {
        self.profile.state.send_modify(|state| {
            state.lease = Some(Arc::new(lease));
            state.generation = next_generation();
            state.failure = None;
        });
        self.store.touch();
    }

    /// Keeps why an attempt failed; what was published before stays.
    pub(crate) fn failed(&self, failure: Failure) {
        self.profile.state.send_modify(|state| state.failure = Some(Arc::new(failure)));
        self.store.touch();
    }
}

/// A number that no earlier lease of any profile has.
fn next_generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    GENERATION.fetch_add(1, Ordering::Relaxed) + 1
}
