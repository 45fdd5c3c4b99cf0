//! The scenarios: a fleet, an event and what the pods and STS experience.

use std::{path::Path, time::Duration};

use credvend::simulation::{Outage, Pod, PodRecord, Process, Region, RegionRecord, Simulation};

use crate::clients::{self, CrashLoop};

/// The region of the fleet.
pub const HOME: &str = "eu-central-1";

/// The fallback region.
const FALLBACK: &str = "eu-west-1";

/// Calls per second that STS serves for an account in a region, and at once.
pub const RATE: f64 = 600.0;

/// Number of pods on a node, for the agent of EKS Pod Identity and the loss of a node.
pub const PODS_PER_NODE: usize = 30;

/// Who obtains the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Credvend,
    Sdk,
    EksAgent,
}

impl Policy {
    pub const ALL: [Self; 3] = [Self::Credvend, Self::Sdk, Self::EksAgent];

    pub fn name(self) -> &'static str {
        match self {
            Self::Credvend => "credvend",
            Self::Sdk => "SDK in every process",
            Self::EksAgent => "EKS Pod Identity agent",
        }
    }
}

/// What happened in a scenario.
pub struct Report {
    pub pods: PodRecord,
    /// The calls to the region of the fleet and to the fallback region.
    pub calls: Vec<RegionRecord>,
}

impl Report {
    /// Returns the time until all pods were ready, in seconds; `None` if some never were.
    pub fn ready(&self) -> Option<f64> {
        self.pods.ready.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max().map(|ready| ready.as_secs_f64())
    }

    /// Returns the number of pods that were ready after each quarter of a second.
    pub fn ready_over_time(&self, seconds: usize) -> Vec<usize> {
        let mut times: Vec<f64> = self.pods.ready.iter().flatten().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        (0..=4 * seconds).map(|quarter| times.partition_point(|time| *time <= quarter as f64 / 4.0)).collect()
    }

    /// Returns the numbers of served, throttled and failed calls in a range of seconds, in all regions.
    pub fn totals(&self, from: usize, to: usize) -> [u64; 3] {
        let sum = |counts: &[u32]| -> u64 { counts.iter().take(to).skip(from).map(|count| u64::from(*count)).sum() };
        let of = |counts: fn(&RegionRecord) -> &Vec<u32>| self.calls.iter().map(|region| sum(counts(region))).sum();
        [of(|region| &region.served), of(|region| &region.throttled), of(|region| &region.failed)]
    }

    /// Returns the number of calls to the region of the fleet, in each interval of `seconds`.
    pub fn calls_over_time(&self, seconds: usize, end: usize) -> Vec<u64> {
        (0..end / seconds).map(|at| self.totals(at * seconds, (at + 1) * seconds).iter().sum()).collect()
    }
}

/// A fleet in preparation.
pub struct Fleet {
    simulation: Simulation,
    running: Vec<Pod>,
}

impl Fleet {
    /// Returns an empty fleet whose home region fails in these times, in seconds.
    pub fn new(token_file: &Path, outages: &[(u64, u64)]) -> Self {
        let outage = |(start, end): &(u64, u64)| Outage { start: seconds(*start), end: seconds(*end) };
        let region =
            |name: &str, outages: Vec<Outage>| Region { name: name.to_owned(), rate: RATE, burst: RATE, outages };
        let regions = vec![region(HOME, outages.iter().map(outage).collect()), region(FALLBACK, Vec::new())];
        Self { simulation: Simulation::new(1, regions, token_file.to_owned()), running: Vec::new() }
    }

    /// Starts pods at the current time.
    pub fn start(&mut self, policy: Policy, pods: usize, has_fallback: bool) {
        let now = self.simulation.now();
        match policy {
            Policy::Credvend => {
                let process = process(has_fallback);
                for _ in 0..pods {
                    let number = self.simulation.add_pod();
                    self.running.push(self.simulation.start(&process, &[number]));
                }
            }
            Policy::Sdk => (0..pods).for_each(|_| clients::sdk(&mut self.simulation, Duration::ZERO)),
            Policy::EksAgent => {
                for first in (0..pods).step_by(PODS_PER_NODE) {
                    clients::eks_node(&mut self.simulation, PODS_PER_NODE.min(pods - first), Duration::ZERO);
                }
            }
        }
        debug_assert_eq!(now, self.simulation.now());
    }

    /// Runs until `end`.
    pub fn run_until(&mut self, end: u64) {
        self.simulation.run_until(seconds(end));
    }

    /// Runs until all pods are ready, at most until `end`.
    pub fn run_until_ready(&mut self, end: u64) {
        self.simulation.run_until_ready(seconds(end));
    }

    pub fn report(&self) -> Report {
        Report { pods: self.simulation.record(), calls: self.simulation.calls() }
    }

    /// Starts pods of credvend that end 5 s after their start, in a crash loop, until `end`.
    pub fn crash_loop(&mut self, pods: usize, end: u64) {
        let process = process(false);
        let numbers: Vec<usize> = (0..pods).map(|_| self.simulation.add_pod()).collect();
        let mut crashes = CrashLoop::default();
        while self.simulation.now() < seconds(end) {
            let running: Vec<Pod> = numbers.iter().map(|number| self.simulation.start(&process, &[*number])).collect();
            let crash = self.simulation.now() + seconds(5);
            self.simulation.run_until(crash);
            drop(running);
            let restart = crash + crashes.next_delay();
            self.simulation.run_until(restart.min(seconds(end)));
        }
    }

    /// Starts applications in a crash loop whose SDK obtains the credentials.
    pub fn crash_loop_of_sdks(&mut self, pods: usize) {
        (0..pods).for_each(|_| clients::crashing_sdk(&mut self.simulation));
    }
}

fn process(has_fallback: bool) -> Process {
    let mut regions = vec![HOME.to_owned()];
    regions.extend(has_fallback.then(|| FALLBACK.to_owned()));
    Process { hops: 1, regions }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
