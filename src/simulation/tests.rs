//! The goals for a fleet, on a small scale. `tests/fleet` simulates large ones.

use super::*;
use crate::{
    schedule::pacer::Pacers,
    sts::{Action, Endpoint, Refusal, StsError},
};

const HOME: &str = "eu-central-1";

/// A simulation with its token file.
struct Stage {
    simulation: Simulation,
    _directory: tempfile::TempDir,
}

impl Stage {
    fn new(rate: f64, outages: &[(u64, u64)]) -> Self {
        Self::with_seed(1, rate, outages)
    }

    fn with_seed(seed: u64, rate: f64, outages: &[(u64, u64)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, Simulation::token()).expect("written");
        let outages =
            outages.iter().map(|(start, end)| Outage { start: seconds(*start), end: seconds(*end) }).collect();
        let region = Region { name: HOME.to_owned(), rate, burst: rate, outages };
        Self { simulation: Simulation::new(seed, vec![region], token_file), _directory: directory }
    }

    /// Starts processes with this number of profiles each.
    fn start(&mut self, processes: usize, profiles: usize) -> Vec<Pod> {
        let process = Process { hops: 1, regions: vec![HOME.to_owned()] };
        let mut start = |_| {
            let numbers: Vec<usize> = (0..profiles).map(|_| self.simulation.add_pod()).collect();
            self.simulation.start(&process, &numbers)
        };
        (0..processes).map(&mut start).collect()
    }

    /// Runs until all pods are ready. Returns the seconds, and the numbers of calls that were served and throttled.
    fn run_until_ready(&mut self) -> (f64, u32, u32) {
        self.simulation.run_until_ready(seconds(1000));
        let ready = self.simulation.record().ready.iter().copied().max().flatten().expect("all are ready");
        let calls = self.simulation.calls().remove(0);
        (ready.as_secs_f64(), calls.served.iter().sum(), calls.throttled.iter().sum())
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn process_with_300_profiles_is_ready_within_a_fifth_more_than_the_minimum() {
    let mut stage = Stage::new(20.0, &[]);
    let _pods = stage.start(1, 300);
    let (ready, served, throttled) = stage.run_until_ready();
    assert!(ready <= 1.2 * 15.0, "{ready} s, {served} served, {throttled} throttled");
    assert!(20 * throttled <= served + throttled, "{throttled} of {}", served + throttled);
}

#[test]
fn pods_that_start_together_are_ready_within_1_3_times_the_minimum() {
    let mut stage = Stage::new(60.0, &[]);
    let _pods = stage.start(1000, 1);
    let (ready, served, throttled) = stage.run_until_ready();
    assert!(ready <= 1.3 * 1000.0 / 60.0, "{ready} s, {served} served, {throttled} throttled");
}

#[test]
fn no_pod_loses_its_credentials_in_an_outage_of_25_minutes() {
    // The second refresh takes place between 60 and 69 minutes after the start. The later in this time the outage begins, the older are
    // the credentials that cannot be replaced.
    for start in [3600, 4110, 4290] {
        let mut stage = Stage::new(60.0, &[(start, start + 25 * 60)]);
        let _pods = stage.start(200, 1);
        stage.simulation.run_until(seconds(start + 3600));
        let gaps = stage.simulation.record().gaps;
        assert!(gaps.is_empty(), "{} of 200 in an outage from {start} s on", gaps.len());
    }
}

#[test]
fn pods_that_lost_their_credentials_in_an_outage_of_45_minutes_have_them_again_as_soon_as_sts_can_serve_them() {
    let (start, end) = (3600, 6300);
    let mut stage = Stage::new(6.0, &[(start, end)]);
    let _pods = stage.start(40, 1);
    stage.simulation.run_until(seconds(end));
    let lost = stage.simulation.record().gaps;
    assert!(lost.len() > 12 && lost.iter().all(|gap| gap.end.is_none()), "{lost:?}");
    stage.simulation.run_until(seconds(end + 600));
    let gaps = stage.simulation.record().gaps;
    let last = gaps.iter().map(|gap| gap.end.expect("an end")).max().expect("a gap");
    // Requests of the applications end the back-off, which is up to a minute.
    assert!(gaps.len() == lost.len() && last < seconds(end + 12), "{} {last:?}", gaps.len());
}

#[test]
fn pods_that_started_during_an_outage_are_ready_soon_after_it_although_sts_throttles_them() {
    let end = 300;
    let mut stage = Stage::new(6.0, &[(0, end)]);
    let _pods = stage.start(400, 1);
    let (ready, served, throttled) = stage.run_until_ready();
    let ready = ready - end as f64;
    // The back-off of the outage spreads the pods over a minute.
    assert!(ready <= 1.3 * 400.0 / 6.0 && throttled > 0, "{ready} s, {served} served, {throttled} throttled");
}

#[test]
fn pods_that_still_have_credentials_retry_seldom_after_an_outage() {
    let (start, end) = (3600, 4800);
    let mut stage = Stage::new(2.0, &[(start, end)]);
    let _pods = stage.start(300, 1);
    stage.simulation.run_until(seconds(start));
    let refused = |stage: &Stage| -> u32 { stage.simulation.calls()[0].throttled.iter().sum() };
    let before = refused(&stage);
    stage.simulation.run_until(seconds(end + 300));
    let throttled = refused(&stage) - before;
    // 300 pods need 150 s. If each retried as pods without credentials do, STS would throttle 2,600 calls.
    assert!((20..1000).contains(&throttled), "{throttled}");
}

#[test]
fn same_seed_gives_the_same_calls_and_the_same_times() {
    let run = |seed| {
        let mut stage = Stage::with_seed(seed, 60.0, &[(2000, 2600)]);
        let _pods = stage.start(300, 1);
        stage.simulation.run_until(seconds(4000));
        (stage.simulation.record().ready, format!("{:?}", stage.simulation.calls()))
    };
    assert!(run(1) == run(1) && run(1) != run(2));
}

#[test]
fn pods_that_start_together_refresh_at_different_times_three_hours_later() {
    let mut stage = Stage::new(600.0, &[]);
    let _pods = stage.start(400, 1);
    stage.simulation.run_until(seconds(4 * 3600));
    let served = stage.simulation.calls().remove(0).served;
    let minutes: Vec<u32> = served[3 * 3600..].chunks(60).map(|minute| minute.iter().sum()).collect();
    let (peak, mean) = (minutes.iter().copied().max().unwrap_or_default(), minutes.iter().sum::<u32>() as f64 / 60.0);
    assert!(f64::from(peak) < 3.0 * mean, "{peak} {mean:.1}");
}

#[test]
fn calls_get_their_turn_in_the_order_in_which_their_hops_need_credentials() {
    let mut executor = Executor::default();
    let clock = executor.clock();
    let pacers = Pacers::default();
    let endpoint = Endpoint { url: service::url(HOME), signing_region: HOME.to_owned() };
    let pacer = pacers.of("111111111111", &endpoint);
    let now = crate::clock::Clock::now(&*clock);
    let refusal = Refusal {
        action: Action::AssumeRole,
        status: 400,
        code: "Throttling".to_owned(),
        message: String::new(),
        request_id: None,
        date: None,
        retry_after: Some(seconds(2)),
    };
    pacer.record(now, now, Some(&StsError::Refused(refusal)));

    let turns: Arc<Mutex<Vec<(u64, Duration)>>> = Arc::default();
    // The seconds until a hop needs credentials, and those after which its call is given up.
    for (needed, given_up) in [(900, 100), (0, 100), (600, 1), (300, 100), (1, 100)] {
        let (pacer, clock, turns) = (Arc::clone(&pacer), Arc::clone(&clock), Arc::clone(&turns));
        executor.spawn(async move {
            let timeout = crate::clock::Clock::sleep(&*clock, seconds(given_up));
            tokio::select! {
                _ = pacer.turn(&*clock, seconds(needed)) => lock(&turns).push((needed, clock.elapsed())),
                () = timeout => {}
            }
        });
    }
    executor.run_until(seconds(10));
    let turns = lock(&turns).clone();
    let order: Vec<u64> = turns.iter().map(|(needed, _)| *needed).collect();
    assert_eq!(order, [0, 1, 300, 900]);
    assert!(turns.iter().all(|(_, at)| (seconds(2)..seconds(3)).contains(at)), "{turns:?}");

    let other_account = pacers.of("222222222222", &endpoint);
    assert!(other_account.expected_wait(now).is_zero() && !pacer.expected_wait(now).is_zero());
    assert!(Arc::ptr_eq(&pacer, &pacers.of("111111111111", &endpoint)), "it lasts");
}
