//! Runs all scenarios, and presents what happened.

use std::{fmt::Write as _, path::Path, thread};

use crate::{
    plot::{Plot, Series},
    scenario::{Fleet, PODS_PER_NODE, Policy, RATE, Report},
};

const HOUR: u64 = 3600;
const MINUTE: u64 = 60;

/// Number of pods of the fleet in the scenarios other than the first.
const FLEET: usize = 10_000;

/// A row of the second table.
struct Event {
    name: String,
    policy: &'static str,
    /// Seconds from the event until all new pods were ready, or until the last pod without credentials had them again.
    ready: Option<f64>,
    throttled: u64,
    lost: usize,
}

/// The results of all scenarios.
pub struct Results {
    /// All pods start together: the number of pods, and what happened for each policy.
    storms: Vec<(usize, [Report; 3])>,
    /// The same with 10,000 pods during four hours.
    waves: [Report; 3],
    events: Vec<Event>,
}

impl Results {
    pub fn of_all_scenarios(token: &Path, is_small: bool) -> Self {
        let sizes: &[usize] = if is_small { &[1, 100, 1000, FLEET] } else { &[1, 10, 100, 1000, FLEET, 10 * FLEET] };
        thread::scope(|scope| {
            let storms = scope.spawn(|| sizes.iter().map(|pods| (*pods, storm(token, *pods))).collect());
            let waves = Policy::ALL.map(|policy| {
                let mut fleet = Fleet::new(token, &[]);
                fleet.start(policy, FLEET, false);
                fleet.run_until(4 * HOUR);
                fleet.report()
            });
            let mut events = Vec::new();
            for policy in Policy::ALL {
                for (name, pods) in
                    [("loss of a node", PODS_PER_NODE), ("loss of a zone, a third of the pods", FLEET / 3)]
                {
                    events.push(loss(token, policy, name, pods));
                }
                for minutes in [25, 30] {
                    events.push(outage(token, policy, minutes, false));
                }
                events.push(outage(token, policy, 120, false));
            }
            events.push(outage(token, Policy::Credvend, 120, true));
            events.extend(crash_loops(token));
            Self { storms: storms.join().expect("no panic"), waves, events }
        })
    }

    /// Returns the goals that were missed.
    pub fn missed_goals(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let mut check = |is_met: bool, goal: String| {
            if !is_met {
                missed.push(goal);
            }
        };
        for (pods, [credvend, ..]) in self.storms.iter().filter(|(pods, _)| *pods >= FLEET) {
            let (ready, floor) = (credvend.ready().unwrap_or(f64::INFINITY), floor(*pods));
            check(ready <= 1.3 * floor, format!("{pods} pods ready after {ready:.1} s, at least {floor:.1} s"));
        }
        for event in self.events.iter().filter(|event| event.policy == Policy::Credvend.name()) {
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

    /// Returns the results as Markdown.
    pub fn tables(&self) -> String {
        let mut text = String::from(
            "| pods that start together | STS needs without a burst | credvend | SDK in every process | EKS Pod Identity agent |\n\
             | ---: | ---: | --- | --- | --- |\n",
        );
        for (pods, reports) in &self.storms {
            let cells = reports.each_ref().map(|report| {
                let ready = report.ready().map_or("not all after 1 h".to_owned(), |ready| format!("{ready:.1} s"));
                let [served, throttled, _] = report.totals(0, usize::MAX);
                format!("{ready}, {} calls, {} throttled", grouped(served + throttled), grouped(throttled))
            });
            let _ = writeln!(text, "| {} | {:.1} s | {} |", grouped(*pods as u64), floor(*pods), cells.join(" | "));
        }
        text += "\n| three hours after 10,000 pods started together | calls a minute, highest | average |\n| --- | ---: | ---: |\n";
        for (policy, report) in Policy::ALL.iter().zip(&self.waves) {
            let (peak, mean) = report.wave();
            let _ = writeln!(text, "| {} | {peak:.0} | {mean:.0} |", policy.name());
        }
        text += "\n| 10,000 pods | client | pods that lost their credentials | all have credentials after | throttled calls |\n\
                 | --- | --- | ---: | ---: | ---: |\n";
        for Event { name, policy, ready, throttled, lost } in &self.events {
            let ready = ready.map_or("–".to_owned(), |ready| format!("{ready:.0} s"));
            let _ =
                writeln!(text, "| {name} | {policy} | {} | {ready} | {} |", grouped(*lost as u64), grouped(*throttled));
        }
        text
    }

    /// Returns the plots with the names of their files.
    pub fn plots(&self) -> [(&'static str, Plot); 2] {
        let storm = self.storms.iter().find(|(pods, _)| *pods == FLEET).map(|(_, reports)| reports);
        let ready =
            storm.map(|reports| reports.each_ref().map(|report| report.ready_over_time(120))).unwrap_or_default();
        let percent = |ready: &[usize]| ready.iter().map(|ready| *ready as f64 * 100.0 / FLEET as f64).collect();
        let series = Policy::ALL
            .iter()
            .zip(&ready)
            .map(|(policy, ready)| Series { name: policy.name(), values: percent(ready) });
        let minimum =
            (0..=480).map(|quarter| ((f64::from(quarter) / 4.0 + 1.0) * RATE / FLEET as f64 * 100.0).min(100.0));
        let minimum = Series { name: "as fast as STS allows", values: minimum.collect() };
        let ready = Plot {
            title: "Ready pods of 10,000 that start together",
            unit: "%",
            end: "120 s",
            series: series.chain([minimum]).collect(),
        };
        let calls = Policy::ALL.iter().zip(&self.waves).map(|(policy, report)| {
            let calls = report.calls_over_time(60, 4 * HOUR as usize);
            // The calls of the first minutes would hide the rest.
            Series { name: policy.name(), values: calls.iter().skip(10).map(|calls| *calls as f64).collect() }
        });
        let waves = Plot {
            title: "Calls a minute of 10,000 pods that started together, from 10 minutes on",
            unit: "",
            end: "4 h",
            series: calls.collect(),
        };
        [("ready.svg", ready), ("waves.svg", waves)]
    }
}

impl Report {
    /// Returns the highest and the average number of calls a minute between 3 and 4 hours after the start.
    fn wave(&self) -> (f64, f64) {
        let calls = self.calls_over_time(60, 4 * HOUR as usize);
        let calls = &calls[3 * 60..];
        (calls.iter().copied().max().unwrap_or_default() as f64, calls.iter().sum::<u64>() as f64 / calls.len() as f64)
    }
}

/// Returns the time in which STS serves a call of each pod without a burst, in seconds.
fn floor(pods: usize) -> f64 {
    pods as f64 / RATE
}

fn storm(token: &Path, pods: usize) -> [Report; 3] {
    Policy::ALL.map(|policy| {
        let mut fleet = Fleet::new(token, &[]);
        fleet.start(policy, pods, false);
        fleet.run_until_ready(HOUR);
        fleet.report()
    })
}

/// Starts pods one after the other within an hour, as in a fleet that has grown.
fn start_gradually(fleet: &mut Fleet, policy: Policy, pods: usize, has_fallback: bool) {
    let at_once = if policy == Policy::EksAgent { PODS_PER_NODE } else { 10 };
    let steps = pods.div_ceil(at_once) as u64;
    for step in 0..steps {
        fleet.run_until(HOUR * step / steps);
        fleet.start(policy, at_once, has_fallback);
    }
}

/// Replaces lost pods at once while the others work.
fn loss(token: &Path, policy: Policy, name: &str, pods: usize) -> Event {
    let event = 2 * HOUR;
    let mut fleet = Fleet::new(token, &[]);
    start_gradually(&mut fleet, policy, FLEET - pods, false);
    fleet.run_until(event);
    fleet.start(policy, pods, false);
    fleet.run_until_ready(event + HOUR);
    let report = fleet.report();
    Event {
        name: name.to_owned(),
        policy: policy.name(),
        ready: report.ready().map(|ready| ready - event as f64),
        throttled: report.totals(event as usize, usize::MAX)[1],
        lost: report.pods.lost.len(),
    }
}

fn outage(token: &Path, policy: Policy, minutes: u64, has_fallback: bool) -> Event {
    // Long enough for the agent of EKS to renew credentials.
    let start = 5 * HOUR;
    let end = start + minutes * MINUTE;
    let mut fleet = Fleet::new(token, &[(start, end)]);
    start_gradually(&mut fleet, policy, FLEET, has_fallback);
    fleet.run_until(end + HOUR);
    let report = fleet.report();
    let fallback = if has_fallback { ", with a fallback region" } else { "" };
    let recovered = report.pods.regained.map(|last| (last.as_secs_f64() - end as f64).max(0.0));
    Event {
        name: format!("STS of the region fails for {minutes} minutes{fallback}"),
        policy: policy.name(),
        ready: recovered,
        throttled: report.totals(start as usize, usize::MAX)[1],
        lost: report.pods.lost.len(),
    }
}

/// A deployment whose containers crash 5 s after their start, during an hour.
fn crash_loops(token: &Path) -> Vec<Event> {
    let event = |name: &str, policy: &'static str, report: Report| {
        let [served, throttled, _] = report.totals(0, usize::MAX);
        let name = format!("{name}: {} calls in an hour", grouped(served + throttled));
        Event { name, policy, ready: None, throttled, lost: 0 }
    };
    let mut application = Fleet::new(token, &[]);
    application.start(Policy::Credvend, FLEET, false);
    application.run_until(HOUR);
    let mut itself = Fleet::new(token, &[]);
    itself.crash_loop(FLEET, HOUR);
    let mut sdk = Fleet::new(token, &[]);
    sdk.crash_loop_of_sdks(FLEET);
    sdk.run_until(HOUR);
    vec![
        event("the application crashes in a loop", Policy::Credvend.name(), application.report()),
        event("credvend crashes in a loop", Policy::Credvend.name(), itself.report()),
        event("the application crashes in a loop", Policy::Sdk.name(), sdk.report()),
    ]
}

/// Formats a number with separators between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}
