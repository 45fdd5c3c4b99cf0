//! A fleet of pods on virtual time: the real refresh loops, hop providers, back-off and pacing, with an STS that throttles, fails and
//! recovers by a schedule. Compiled only for the unit tests and with `--cfg simulation`, for `tests/fleet`.
//!
//! Only the network, the clock, the random numbers and the applications are simulated. Each pod has its own process: its own random
//! numbers, pacers and store. The same seed gives the same result.

mod executor;
mod pod;
mod service;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

pub use pod::{Pod, Process};
pub use service::{Outage, Outcome, Region, RegionRecord};

use executor::{Executor, VirtualClock};
use service::Regions;

use crate::http::tls::{self, Roots};

/// Time of the day at the start of each simulation.
const EPOCH: Duration = Duration::from_secs(1 << 30);

/// A running simulation.
pub struct Simulation {
    executor: Executor,
    clock: Arc<VirtualClock>,
    regions: Arc<Regions>,
    record: Arc<Mutex<PodRecord>>,
    token_file: PathBuf,
    roots: Arc<Roots>,
    seeds: fastrand::Rng,
}

/// What the pods experienced.
#[derive(Clone, Debug, Default)]
pub struct PodRecord {
    /// When each pod had its first credentials, since the start of the simulation, by number; `None` if it has none.
    pub ready: Vec<Option<Duration>>,
    /// Until when the last credentials of each pod can be used.
    usable_until: Vec<Duration>,
    /// The times in which pods had lost their credentials.
    pub gaps: Vec<Gap>,
}

/// A time in which a pod had lost its credentials, since the start of the simulation.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// Number of the pod.
    pub pod: usize,
    /// When the last credentials could no longer be used.
    pub start: Duration,
    /// When the pod had credentials again; `None` if it has none.
    pub end: Option<Duration>,
}

impl Simulation {
    /// Returns a simulation with these regions. `token_file` is the path of a file with a web identity token; it is read for each
    /// exchange, as in a pod.
    pub fn new(seed: u64, regions: Vec<Region>, token_file: PathBuf) -> Self {
        let executor = Executor::default();
        let clock = executor.clock();
        let mut seeds = fastrand::Rng::with_seed(seed);
        let regions = Arc::new(Regions::new(regions, Arc::clone(&clock), seeds.u64(..)));
        let roots = tls::roots(None).unwrap_or_else(|_| unreachable!("the built-in roots are valid"));
        Self { executor, clock, regions, record: Arc::default(), token_file, roots: Arc::new(roots), seeds }
    }

    /// Returns the content of a token file for simulations.
    pub fn token() -> String {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

        let issued = EPOCH.as_secs();
        let claims = format!(
            r#"{{"iss":"https://issuer.example.com","sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iat":{issued},"exp":{}}}"#,
            issued + 30 * 24 * 3600
        );
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    /// Returns the time since the start.
    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Runs until `end`, since the start.
    pub fn run_until(&mut self, end: Duration) {
        self.executor.run_until(end);
    }

    /// Runs until all pods are ready, at most until `end`.
    pub fn run_until_ready(&mut self, end: Duration) {
        while self.now() < end && !lock(&self.record).ready.iter().all(Option::is_some) {
            let next = self.now() + Duration::from_millis(100);
            self.executor.run_until(next.min(end));
        }
    }

    /// Runs a task that is not part of credvend, such as a model of another client.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(task);
    }

    /// Returns a handle for such tasks.
    pub fn client(&mut self) -> Client {
        Client {
            clock: Arc::clone(&self.clock),
            regions: Arc::clone(&self.regions),
            record: Arc::clone(&self.record),
            random: fastrand::Rng::with_seed(self.seeds.u64(..)),
        }
    }

    /// Adds a pod to the record and returns its number.
    pub fn add_pod(&mut self) -> usize {
        let mut record = lock(&self.record);
        record.ready.push(None);
        record.usable_until.push(Duration::ZERO);
        record.ready.len() - 1
    }

    /// Returns the calls of each region.
    pub fn calls(&self) -> Vec<RegionRecord> {
        self.regions.records()
    }

    /// Returns what the pods experienced until now.
    pub fn record(&self) -> PodRecord {
        let mut record = lock(&self.record).clone();
        let now = self.now();
        let lost = record.usable_until.iter().zip(0..).filter(|(until, _)| !until.is_zero() && **until < now);
        let gaps: Vec<Gap> = lost.map(|(start, pod)| Gap { pod, start: *start, end: None }).collect();
        record.gaps.extend(gaps);
        record
    }
}

impl PodRecord {
    /// Records that a pod has credentials that can be used until `until`.
    fn obtained(&mut self, pod: usize, now: Duration, until: Duration) {
        let start = std::mem::replace(&mut self.usable_until[pod], until);
        if self.ready[pod].is_none() {
            self.ready[pod] = Some(now);
        } else if start < now {
            self.gaps.push(Gap { pod, start, end: Some(now) });
        }
    }

    /// Records that a pod was replaced by a new one, which has no credentials yet.
    fn restarted(&mut self, number: usize) {
        self.ready[number] = None;
        self.usable_until[number] = Duration::ZERO;
    }
}

/// What a model of another client needs: time, random numbers and the simulated STS.
pub struct Client {
    clock: Arc<VirtualClock>,
    regions: Arc<Regions>,
    record: Arc<Mutex<PodRecord>>,
    random: fastrand::Rng,
}

impl Client {
    /// Returns the time since the start.
    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Waits.
    pub async fn sleep(&self, length: Duration) {
        crate::clock::Clock::sleep(&*self.clock, length).await;
    }

    /// Returns a uniformly distributed number in 0..1.
    pub fn random(&mut self) -> f64 {
        self.random.f64()
    }

    /// Calls the STS of a region.
    pub async fn call(&self, region: &str) -> Outcome {
        self.regions.call(&service::url(region)).await
    }

    /// Records that pod `number` has credentials for `lifetime`.
    pub fn obtained(&self, number: usize, lifetime: Duration) {
        let now = self.now();
        lock(&self.record).obtained(number, now, now + lifetime);
    }

    /// Records that pod `number` was replaced.
    pub fn restarted(&self, number: usize) {
        lock(&self.record).restarted(number);
    }
}

/// Returns the time of day at `elapsed`.
fn wall(elapsed: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + EPOCH + elapsed
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
