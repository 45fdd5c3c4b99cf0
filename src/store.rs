//! The store: one writer a profile, many readers, none of whom ever meets STS.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::watch;

use crate::{
    arn::{Region, RoleArn},
    chain::Chain,
    clock::{Clock, Moment},
    provider::{Failure, Lease},
};

/// Every profile's state.
pub struct Store {
    profiles: watch::Sender<Arc<[Arc<Profile>]>>,
    changes: watch::Sender<u64>,
    holds: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
}

/// One profile in the store.
pub struct Profile {
    name: String,
    role_arn: Option<RoleArn>,
    region: Option<Region>,
    state: watch::Sender<State>,
}

/// What is known of a profile.
#[derive(Clone, Default)]
pub struct State {
    /// The last credentials; perhaps no longer servable.
    pub lease: Option<Arc<Lease>>,
    /// Grows with each lease: what is made of one can be kept until it differs.
    pub generation: u64,
    /// Why the last attempt failed; `None` after a success.
    pub failure: Option<Arc<Failure>>,
}

/// Keeps `/readyz` from saying ready until it is dropped: for a sink whose first write is still to come.
pub struct ReadinessHold(Arc<AtomicUsize>);

impl Drop for ReadinessHold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The writing end of one profile.
pub struct Publisher {
    profile: Arc<Profile>,
    store: Arc<Store>,
}

impl Store {
    /// A store without profiles.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            profiles: watch::Sender::new(Arc::from([])),
            changes: watch::Sender::new(0),
            holds: Arc::default(),
            clock,
        })
    }

    /// Takes over a new list of profiles; one that was here before keeps what it holds. Gives the writing ends in order.
    pub fn set_profiles(self: &Arc<Self>, chains: &[Chain]) -> Vec<Publisher> {
        let before = self.profiles();
        let profiles: Arc<[Arc<Profile>]> = chains
            .iter()
            .map(|chain| {
                let state =
                    before.iter().find(|old| old.name == chain.profile).map(|old| old.state()).unwrap_or_default();
                Arc::new(Profile {
                    name: chain.profile.clone(),
                    role_arn: chain.role_arn().cloned(),
                    region: chain.region.clone(),
                    state: watch::Sender::new(state),
                })
            })
            .collect();
        self.profiles.send_replace(Arc::clone(&profiles));
        self.touch();
        profiles.iter().map(|profile| Publisher { profile: Arc::clone(profile), store: Arc::clone(self) }).collect()
    }

    /// The profiles, the first of them the default one.
    pub fn profiles(&self) -> Arc<[Arc<Profile>]> {
        Arc::clone(&self.profiles.borrow())
    }

    /// Tells of every change to any profile, or to their list.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The clock that leases are measured by.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The names of the profiles, of all or of the one asked for, that hold no servable credentials.
    ///
    /// `None` where there is no such profile.
    pub fn not_ready(&self, only: Option<&str>) -> Option<Vec<String>> {
        let now = self.now();
        let profiles = self.profiles();
        let asked: Vec<_> = profiles.iter().filter(|profile| only.is_none_or(|name| name == profile.name)).collect();
        (only.is_none() || !asked.is_empty()).then(|| {
            asked.iter().filter(|profile| profile.servable(now).is_none()).map(|profile| profile.name.clone()).collect()
        })
    }

    /// Nobody is ready until the hold is dropped.
    pub fn hold_readiness(&self) -> ReadinessHold {
        self.holds.fetch_add(1, Ordering::Relaxed);
        ReadinessHold(Arc::clone(&self.holds))
    }

    /// Whether a sink still has its first write before it.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::Relaxed) > 0
    }

    fn touch(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role that its credentials belong to.
    pub fn role_arn(&self) -> Option<&RoleArn> {
        self.role_arn.as_ref()
    }

    /// The region that applications are told, where one is known.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// What is known of it now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Its credentials with their generation, as long as they may be served.
    pub fn servable(&self, now: Moment) -> Option<(Arc<Lease>, u64)> {
        let state = self.state.borrow();
        let lease = state.lease.as_ref().filter(|lease| lease.window.is_servable(now))?;
        Some((Arc::clone(lease), state.generation))
    }

    /// Whether it ever held credentials.
    pub fn has_begun(&self) -> bool {
        self.state.borrow().lease.is_some()
    }

    /// Waits for its first credentials.
    pub async fn begun(&self) {
        // The sender lives as long as `self`, so the wait ends only with credentials.
        let _ = self.state.subscribe().wait_for(|state| state.lease.is_some()).await;
    }
}

impl Publisher {
    /// Hands new credentials to every reader.
    pub fn publish(&self, lease: Lease) {
        self.profile.state.send_modify(|state| {
            state.lease = Some(Arc::new(lease));
            state.generation = next_generation();
            state.failure = None;
        });
        self.store.touch();
    }

    /// Keeps why an attempt failed; what was published before stays.
    pub fn failed(&self, failure: Failure) {
        self.profile.state.send_modify(|state| state.failure = Some(Arc::new(failure)));
        self.store.touch();
    }
}

/// A number that no earlier lease of any profile has.
fn next_generation() -> u64 {
    static GENERATION: AtomicU64 = AtomicU64::new(0);
    GENERATION.fetch_add(1, Ordering::Relaxed) + 1
}
