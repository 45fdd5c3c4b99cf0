//! Runs all scenarios, and checks the goals.

use std::thread;

use crate::scenario::{Fleet, PODS_PER_NODE, Policy, Report, World};

pub const HOUR: u64 = 3600;
const MINUTE: u64 = 60;

/// When STS fails: long enough after the start for the agent of EKS to renew credentials.
pub const OUTAGE: u64 = 5 * HOUR;

/// The outage whose course is drawn, in minutes.
pub const DRAWN_OUTAGE: u64 = 30;

/// A scenario with one client.
pub struct Event {
    pub name: String,
    pub policy: Policy,
    /// Number of pods that had credentials and lost them.
    pub lost: usize,
    /// Seconds until all new pods were ready or all pods that had lost their credentials had them again, and the seconds in which STS
    /// serves their calls.
    pub recovery: Option<(f64, f64)>,
    /// Number of calls from the event on, and how many of them STS throttled.
    pub calls: u64,
    pub throttled: u64,
    /// Highest number of calls in a second.
    pub peak: u64,
}

/// The results of all scenarios.
pub struct Results<'a> {
    pub world: &'a World,
    /// All pods start together: the number of pods, and what happened for each policy.
    pub storms: Vec<(usize, [Report; 4])>,
    /// The same with all pods during four hours.
    pub waves: [Report; 4],
    pub events: Vec<Event>,
    /// The outage of 30 minutes, for each policy.
    pub outages: Vec<Report>,
}

impl<'a> Results<'a> {
    pub fn of_all_scenarios(world: &'a World) -> Self {
        let pods = world.scale.pods;
        thread::scope(|scope| {
            let sizes = world.scale.storms;
            let storms = scope.spawn(|| sizes.iter().map(|pods| (*pods, storm(world, *pods))).collect());
            let waves = Policy::ALL.map(|policy| {
                let mut fleet = Fleet::new(world, None);
                fleet.start(policy, pods, false);
                fleet.run_until(4 * HOUR);
                progress("four hours", policy);
                fleet.report()
            });
            let mut events = Vec::new();
            for (name, lost) in [("loss of a node", PODS_PER_NODE), ("loss of a zone, a third of the pods", pods / 3)] {
                events.extend(Policy::ALL.map(|policy| loss(world, policy, name, lost)));
            }
            let mut outages = Vec::new();
            for minutes in [25, DRAWN_OUTAGE, 45] {
                for policy in Policy::ALL {
                    let (event, report) = outage(world, policy, minutes, false);
                    events.push(event);
                    outages.extend((minutes == DRAWN_OUTAGE).then_some(report));
                }
            }
            events.push(outage(world, Policy::Credvend, 45, true).0);
            events.extend(crash_loops(world));
            Self { world, storms: storms.join().expect("no panic"), waves, events, outages }
        })
    }

    /// Returns the goals that were missed.
    pub fn missed_goals(&self) -> Vec<String> {
        let scale = &self.world.scale;
        let mut missed = Vec::new();
        let mut check = |is_met: bool, goal: String| {
            if !is_met {
                missed.push(goal);
            }
        };
        for (pods, [credvend, ..]) in self.storms.iter().filter(|(pods, _)| *pods >= scale.pods) {
            let (ready, floor) = (credvend.ready().unwrap_or(f64::INFINITY), scale.floor(*pods));
            check(ready <= 1.3 * floor, format!("{pods} pods ready after {ready:.1} s, at least {floor:.1} s"));
        }
        for event in self.events.iter().filter(|event| event.policy == Policy::Credvend) {
            let is_bounded = event.name.contains("25 minutes") || event.name.contains("fallback");
            check(
                !is_bounded || event.lost == 0,
                format!("{}: {} pods lost their credentials", event.name, event.lost),
            );
        }
        let (peak, mean) = self.waves[0].wave();
        check(peak < 2.0 * mean, format!("three hours later up to {peak} calls a minute, {mean:.0} on average"));
        missed
    }
}

impl Report {
    /// Returns the highest and the average number of calls a minute between 3 and 4 hours after the start.
    pub fn wave(&self) -> (f64, f64) {
        let calls = self.calls_over_time(3 * HOUR, 4 * HOUR, MINUTE);
        (calls.iter().copied().max().unwrap_or_default() as f64, calls.iter().sum::<u64>() as f64 / calls.len() as f64)
    }

    /// Returns the row of a scenario whose event is at second `start` and that ends at `end`.
    fn event(&self, name: String, policy: Policy, start: u64, end: u64) -> Event {
        let [served, throttled, failed] = self.totals(start, end);
        Event {
            name,
            policy,
            lost: self.lost(),
            recovery: None,
            calls: served + throttled + failed,
            throttled,
            peak: self.calls_over_time(start, end, 1).into_iter().max().unwrap_or_default(),
        }
    }
}

fn storm(world: &World, pods: usize) -> [Report; 4] {
    Policy::ALL.map(|policy| {
        let mut fleet = Fleet::new(world, None);
        fleet.start(policy, pods, false);
        fleet.run_until_ready(HOUR);
        progress(&format!("start of {pods} together"), policy);
        fleet.report()
    })
}

/// Replaces lost pods at once while the others work.
fn loss(world: &World, policy: Policy, name: &str, pods: usize) -> Event {
    let start = 2 * HOUR;
    let mut fleet = Fleet::new(world, None);
    fleet.start_gradually(policy, world.scale.pods - pods, false);
    fleet.run_until(start);
    fleet.start(policy, pods, false);
    fleet.run_until_ready(start + HOUR);
    progress(name, policy);
    let report = fleet.report();
    let recovery = report.ready().map(|ready| (ready - start as f64, world.scale.floor(pods)));
    Event { recovery, ..report.event(name.to_owned(), policy, start, start + HOUR) }
}

fn outage(world: &World, policy: Policy, minutes: u64, has_fallback: bool) -> (Event, Report) {
    let end = OUTAGE + minutes * MINUTE;
    let fallback = if has_fallback { ", with a fallback region" } else { "" };
    let name = format!("STS of the region fails for {minutes} minutes{fallback}");
    let mut fleet = Fleet::new(world, Some((OUTAGE, end)));
    fleet.start_gradually(policy, world.scale.pods, has_fallback);
    fleet.run_until(end + HOUR);
    progress(&name, policy);
    let report = fleet.report();
    let recovery = report.regained().map(|last| ((last - end as f64).max(0.0), world.scale.floor(report.lost())));
    (Event { recovery, ..report.event(name, policy, OUTAGE, end + HOUR) }, report)
}

/// A deployment whose containers crash 5 s after their start, during an hour.
fn crash_loops(world: &World) -> Vec<Event> {
    let application = "application in a crash loop for an hour";
    let mut events: Vec<Event> = Vec::new();
    let mut run = |name: &str, policy: Policy, start: &dyn Fn(&mut Fleet<'_>)| {
        let mut fleet = Fleet::new(world, None);
        start(&mut fleet);
        fleet.run_until(HOUR);
        progress(name, policy);
        // Its pods end before their credentials do.
        events.push(Event { lost: 0, ..fleet.report().event(name.to_owned(), policy, 0, HOUR) });
    };
    for policy in [Policy::Credvend, Policy::Sdk, Policy::EksAgent] {
        run(application, policy, &|fleet| match policy {
            Policy::Sdk => fleet.start_crash_loop_of_sdks(),
            // They run in containers of their own.
            _ => fleet.start(policy, world.scale.pods, false),
        });
    }
    run("credvend itself in a crash loop for an hour", Policy::Credvend, &|fleet| fleet.run_crash_loop(HOUR));
    events
}

fn progress(scenario: &str, policy: Policy) {
    eprintln!("fleet: {scenario}: {}", policy.name());
}
