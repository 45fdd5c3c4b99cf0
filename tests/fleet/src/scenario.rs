//! A fleet: its size, its clients, and what it and STS experience.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use credvend::simulation::{Outage, Pod, PodRecord, Process, Region, RegionRecord, Simulation};

use crate::clients::{self, CrashLoop};

/// The region of the fleet.
pub const HOME: &str = "eu-central-1";

/// The fallback region.
const FALLBACK: &str = "eu-west-1";

/// Number of pods on a node, for the agent of EKS Pod Identity and the loss of a node.
pub const PODS_PER_NODE: usize = 30;

/// The size of the fleets.
pub struct Scale {
    /// Number of pods in all scenarios but the storms.
    pub pods: usize,
    /// Numbers of pods in the storms.
    pub storms: &'static [usize],
    /// Calls per second that STS serves for an account in a region, and at once.
    pub rate: f64,
}

impl Scale {
    pub const FULL: Self = Self { pods: 10_000, storms: &[1, 10, 100, 1_000, 10_000, 100_000], rate: 600.0 };

    /// A tenth of the pods, and of the calls that STS serves.
    pub const SMALL: Self = Self { pods: 1_000, storms: &[1, 100, 1_000], rate: 60.0 };

    /// Returns the seconds in which STS serves a call of each pod, without a burst.
    pub fn floor(&self, pods: usize) -> f64 {
        pods as f64 / self.rate
    }
}

/// Where fleets run.
pub struct World {
    pub scale: Scale,
    pub token_file: PathBuf,
}

/// Who obtains the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Credvend,
    Former,
    Sdk,
    EksAgent,
}

impl Policy {
    pub const ALL: [Self; 4] = [Self::Credvend, Self::Former, Self::Sdk, Self::EksAgent];

    pub fn name(self) -> &'static str {
        match self {
            Self::Credvend => "credvend",
            Self::Former => "credvend's former policy",
            Self::Sdk => "SDK in every process",
            Self::EksAgent => "EKS Pod Identity agent",
        }
    }
}

/// What happened in a scenario.
pub struct Report {
    pub pods: PodRecord,
    /// The calls to the region of the fleet and to the fallback region.
    calls: Vec<RegionRecord>,
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

    /// Returns the number of pods that lost their credentials at some time.
    pub fn lost(&self) -> usize {
        self.pods.gaps.iter().map(|gap| gap.pod).collect::<BTreeSet<_>>().len()
    }

    /// Returns when the last pod that had lost its credentials had them again, in seconds. Returns `None` if none lost them or one still
    /// has none.
    pub fn regained(&self) -> Option<f64> {
        let ends = self.pods.gaps.iter().map(|gap| gap.end).collect::<Option<Vec<_>>>()?;
        ends.into_iter().max().map(|end| end.as_secs_f64())
    }

    /// Returns the number of pods without credentials every `step` seconds of a range.
    pub fn lost_over_time(&self, from: u64, to: u64, step: usize) -> Vec<usize> {
        let is_in = |second: u64, start: Duration, end: Option<Duration>| {
            start <= seconds(second) && end.is_none_or(|end| seconds(second) < end)
        };
        let lost = |second| self.pods.gaps.iter().filter(|gap| is_in(second, gap.start, gap.end)).count();
        (from..=to).step_by(step).map(lost).collect()
    }

    /// Returns the numbers of served, throttled and failed calls in a range of seconds, in all regions.
    pub fn totals(&self, from: u64, to: u64) -> [u64; 3] {
        let sum = |counts: &Vec<u32>| -> u64 {
            let to = counts.len().min(to as usize);
            counts.get(from as usize..to).unwrap_or_default().iter().map(|count| u64::from(*count)).sum()
        };
        let of = |counts: fn(&RegionRecord) -> &Vec<u32>| self.calls.iter().map(|region| sum(counts(region))).sum();
        [of(|region| &region.served), of(|region| &region.throttled), of(|region| &region.failed)]
    }

    /// Returns the number of calls in each interval of `step` seconds of a range.
    pub fn calls_over_time(&self, from: u64, to: u64, step: u64) -> Vec<u64> {
        (from..to).step_by(step as usize).map(|at| self.totals(at, at + step).iter().sum()).collect()
    }
}

/// A fleet in a simulation.
pub struct Fleet<'a> {
    world: &'a World,
    simulation: Simulation,
    running: Vec<Pod>,
}

impl<'a> Fleet<'a> {
    /// Returns an empty fleet whose home region fails during `outage`, a start and an end in seconds.
    pub fn new(world: &'a World, outage: Option<(u64, u64)>) -> Self {
        let outage = outage.map(|(start, end)| Outage { start: seconds(start), end: seconds(end) });
        let rate = world.scale.rate;
        let region = |name: &str, outages| Region { name: name.to_owned(), rate, burst: rate, outages };
        let regions = vec![region(HOME, outage.into_iter().collect()), region(FALLBACK, Vec::new())];
        Self { world, simulation: Simulation::new(1, regions, world.token_file.clone()), running: Vec::new() }
    }

    /// Starts pods at the current time. Only credvend knows a fallback region.
    pub fn start(&mut self, policy: Policy, pods: usize, has_fallback: bool) {
        let simulation = &mut self.simulation;
        match policy {
            Policy::Credvend => {
                let process = process(has_fallback);
                for _ in 0..pods {
                    let number = simulation.add_pod();
                    self.running.push(simulation.start(&process, &[number]));
                }
            }
            Policy::Former => (0..pods).for_each(|_| clients::former_policy(simulation)),
            Policy::Sdk => (0..pods).for_each(|_| clients::sdk(simulation)),
            Policy::EksAgent => {
                for first in (0..pods).step_by(PODS_PER_NODE) {
                    clients::eks_node(simulation, PODS_PER_NODE.min(pods - first));
                }
            }
        }
    }

    /// Starts pods one after the other within an hour, as in a fleet that has grown.
    pub fn start_gradually(&mut self, policy: Policy, pods: usize, has_fallback: bool) {
        let at_once = if policy == Policy::EksAgent { PODS_PER_NODE } else { 1 };
        let steps = pods.div_ceil(at_once) as u32;
        for step in 0..steps {
            self.simulation.run_until(seconds(3600) * step / steps);
            self.start(policy, at_once.min(pods - at_once * step as usize), has_fallback);
        }
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

    /// Runs pods of credvend that end 5 s after their start, in a crash loop, until `end`.
    pub fn run_crash_loop(&mut self, end: u64) {
        let process = process(false);
        let numbers: Vec<usize> = (0..self.world.scale.pods).map(|_| self.simulation.add_pod()).collect();
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
    pub fn start_crash_loop_of_sdks(&mut self) {
        (0..self.world.scale.pods).for_each(|_| clients::crashing_sdk(&mut self.simulation));
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
