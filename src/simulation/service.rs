//! The STS of each region: a token bucket, a latency and outages.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{executor::VirtualClock, lock, wall};
use crate::{
    clock::Clock as _,
    sts::simulated::{Answer, Service},
};

/// The lifetime of credentials.
pub(super) const SESSION: Duration = Duration::from_secs(3600);

/// Time after which a call fails to an STS that does not respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The STS of a region, for one account.
#[derive(Clone, Debug)]
pub struct Region {
    /// Name of the region.
    pub name: String,
    /// Calls per second that it serves, on average.
    pub rate: f64,
    /// Calls that it serves at once.
    pub burst: f64,
    /// When it does not respond.
    pub outages: Vec<Outage>,
}

/// A time in which an STS does not respond, since the start of the simulation.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// The start.
    pub start: Duration,
    /// The end.
    pub end: Duration,
}

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Credentials.
    Served,
    /// Refused because of too many calls.
    Throttled,
    /// No response.
    Failed,
}

/// The calls to a region, by second since the start.
#[derive(Clone, Debug, Default)]
pub struct RegionRecord {
    /// Number of calls that were served.
    pub served: Vec<u32>,
    /// Number of calls that were refused.
    pub throttled: Vec<u32>,
    /// Number of calls without a response.
    pub failed: Vec<u32>,
}

/// The simulated STS of all regions.
pub(super) struct Regions {
    regions: Vec<(String, Mutex<State>)>,
    clock: Arc<VirtualClock>,
    random: Mutex<fastrand::Rng>,
}

struct State {
    region: Region,
    tokens: f64,
    updated: Duration,
    record: RegionRecord,
}

/// Returns the URL of a region's STS.
pub(super) fn url(region: &str) -> String {
    format!("https://sts.{region}.amazonaws.com/")
}

impl Regions {
    pub(super) fn new(regions: Vec<Region>, clock: Arc<VirtualClock>, seed: u64) -> Self {
        let state = |region: Region| State {
            tokens: region.burst,
            region,
            updated: Duration::ZERO,
            record: RegionRecord::default(),
        };
        let regions = regions.into_iter().map(|region| (url(&region.name), Mutex::new(state(region)))).collect();
        Self { regions, clock, random: Mutex::new(fastrand::Rng::with_seed(seed)) }
    }

    pub(super) fn records(&self) -> Vec<RegionRecord> {
        self.regions.iter().map(|(_, state)| lock(state).record.clone()).collect()
    }

    /// Answers a call after its latency, 10 to 50 ms.
    pub(super) async fn call(&self, url: &str) -> Outcome {
        let latency = Duration::from_millis(lock(&self.random).u64(10..50));
        self.clock.sleep(latency / 2).await;
        let state = self.regions.iter().find(|(known, _)| known == url).map(|(_, state)| state);
        let outcome = state.map_or(Outcome::Failed, |state| lock(state).decide(self.clock.elapsed()));
        self.clock.sleep(if outcome == Outcome::Failed { CONNECT_TIMEOUT } else { latency / 2 }).await;
        outcome
    }
}

impl State {
    fn decide(&mut self, now: Duration) -> Outcome {
        let Region { rate, burst, outages, .. } = &self.region;
        let elapsed = now.saturating_sub(self.updated).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate).min(*burst);
        self.updated = now;
        let outcome = match outages.iter().any(|outage| (outage.start..outage.end).contains(&now)) {
            true => Outcome::Failed,
            false if self.tokens < 1.0 => Outcome::Throttled,
            false => Outcome::Served,
        };
        let counts = match outcome {
            Outcome::Served => {
                self.tokens -= 1.0;
                &mut self.record.served
            }
            Outcome::Throttled => &mut self.record.throttled,
            Outcome::Failed => &mut self.record.failed,
        };
        let second = now.as_secs() as usize;
        if counts.len() <= second {
            counts.resize(second + 1, 0);
        }
        counts[second] += 1;
        outcome
    }
}

impl Service for Regions {
    fn answer<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(async move {
            match self.call(url).await {
                Outcome::Served => {
                    let now = wall(self.clock.elapsed());
                    Answer::Issued { now, expiry: now + SESSION }
                }
                Outcome::Throttled => Answer::Throttled,
                Outcome::Failed => Answer::NotReached,
            }
        })
    }
}
