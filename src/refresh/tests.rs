use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::watch;

use super::*;
use crate::{
    arn::SessionName,
    chain::provider::ObserveExchanges,
    credentials::{Credentials, Expiry},
    plan::HopName,
    schedule::backoff::tests::Constant,
    store::Store,
    token::TokenFile,
};

/// Credentials for one hour.
const HOUR: Option<u64> = Some(3600);
const FAILURE: Option<u64> = None;

/// A clock that advances only while it sleeps. During each sleep, the wall clock also jumps by the next of
/// `steps`, in seconds.
struct ScriptedClock {
    now: Mutex<Moment>,
    steps: Mutex<VecDeque<i64>>,
}

impl ScriptedClock {
    fn new(steps: &[i64]) -> Arc<Self> {
        let start = Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30), monotonic: Duration::ZERO };
        Arc::new(Self { now: Mutex::new(start), steps: Mutex::new(steps.iter().copied().collect()) })
    }
}

impl Clock for ScriptedClock {
    fn now(&self) -> Moment {
        *self.now.lock().expect("unpoisoned")
    }

    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        assert!(length <= self.max_sleep(), "{length:?}");
        let step = self.steps.lock().expect("unpoisoned").pop_front().unwrap_or(0);
        let mut now = self.now.lock().expect("unpoisoned");
        now.monotonic += length;
        now.wall += length;
        if step >= 0 {
            now.wall += Duration::from_secs(step.unsigned_abs());
        } else {
            now.wall -= Duration::from_secs(step.unsigned_abs());
        }
        Box::pin(std::future::ready(()))
    }
}

/// Returns credentials with the scripted lifetime, in seconds, or a failure, and records the time of each call.
/// After the end of the script, a call never completes.
struct ScriptedProvider {
    clock: Arc<ScriptedClock>,
    hop: HopName,
    script: Mutex<VecDeque<Option<u64>>>,
    calls: Mutex<Vec<Duration>>,
    /// Back-off after a failure.
    retry_after: Duration,
    is_lease_void: bool,
    is_refresh_wanted: AtomicBool,
    renewals: watch::Sender<()>,
}

struct NoObserver;

impl ObserveExchanges for NoObserver {
    fn record_exchange(&self, _hop: usize, _role_arn: &str, _result: &str, _duration: Duration) {}

    fn record_delayed_call(&self, _region: &str) {}

    fn record_sts_call(&self, _region: &str, _result: &str) {}
}

impl ProvideCredentials for ScriptedProvider {
    fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>> {
        let now = self.clock.now();
        self.calls.lock().expect("unpoisoned").push(now.monotonic);
        self.is_refresh_wanted.store(false, Ordering::Relaxed);
        let outcome = self.script.lock().expect("unpoisoned").pop_front();
        Box::pin(async move {
            let Some(outcome) = outcome else { return std::future::pending().await };
            let lifetime = outcome.map(Duration::from_secs).ok_or_else(|| Failure {
                error: ProviderError::Token(TokenFile::new("/absent").read().expect_err("no such file")),
                attempts: 1,
                at: now,
                retry_after: self.retry_after,
                is_lease_void: self.is_lease_void,
            })?;
            let expiry = Expiry::from(now.wall + lifetime);
            Ok(Lease {
                credentials: Credentials::of_source("key".into(), "secret".into(), None, Some(expiry), None),
                window: Window::new(now, lifetime, 0.0),
                session_name: SessionName::mapped_from("test"),
                claims: None,
                receipt: crate::lease::Receipt::default(),
            })
        })
    }

    fn end_backoff(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn hop(&self) -> &HopName {
        &self.hop
    }

    fn want_refresh(&self) {
        self.is_refresh_wanted.store(true, Ordering::Relaxed);
    }

    fn until_wanted(&self, now: Moment) -> Option<Duration> {
        let last = self.calls.lock().expect("unpoisoned").last().copied().unwrap_or_default();
        let rest = (last + MIN_REQUESTED_INTERVAL).saturating_sub(now.monotonic);
        self.is_refresh_wanted.load(Ordering::Relaxed).then_some(rest)
    }

    fn renewals(&self) -> watch::Receiver<()> {
        self.renewals.subscribe()
    }
}

/// A run of the loop to the end of a script.
struct Run {
    provider: ScriptedProvider,
    /// Called before the loop starts.
    prepare: fn(&Store),
    /// Two responses of STS are this much ahead of the wall clock.
    sts_ahead: Duration,
}

impl Run {
    fn new(script: &[Option<u64>], steps: &[i64]) -> Self {
        let provider = ScriptedProvider {
            clock: ScriptedClock::new(steps),
            hop: HopName { number: 1, role_arn: None },
            script: Mutex::new(script.iter().copied().collect()),
            calls: Mutex::default(),
            retry_after: Duration::from_secs(2),
            is_lease_void: false,
            is_refresh_wanted: AtomicBool::new(false),
            renewals: watch::Sender::default(),
        };
        Self { provider, prepare: |_| {}, sts_ahead: Duration::ZERO }
    }

    /// Returns the times of the provider's calls, in seconds of the monotonic clock, and the store.
    fn end(self) -> (Vec<u64>, Arc<Store>) {
        let provider = Arc::new(self.provider);
        let context = Context {
            clock: Arc::clone(&provider.clock) as Arc<dyn Clock>,
            sts_clock: Arc::default(),
            // The middle of each range.
            random: Arc::new(Constant(0.5)),
            observer: Arc::new(NoObserver),
            pacers: Arc::default(),
            deadline: None,
        };
        let store = Store::new(Arc::clone(&context.clock));
        for _ in 0..2 {
            context.sts_clock.learn(store.now().wall + self.sts_ahead, store.now());
        }
        let publisher = store.set_profiles(&[crate::plan::tests::chain("app")]).pop().expect("one");
        (self.prepare)(&store);
        let (_stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = keep_fresh(Arc::clone(&provider) as _, publisher, context, stopped) => {}
                // The loop is pending only after the end of the script.
                () = std::future::ready(()) => {}
            }
        });
        let calls = provider.calls.lock().expect("unpoisoned").iter().map(Duration::as_secs).collect();
        (calls, store)
    }
}

fn calls(script: &[Option<u64>], steps: &[i64]) -> Vec<u64> {
    Run::new(script, steps).end().0
}

#[test]
fn request_without_credentials_shortens_the_backoff_to_2_s() {
    let mut run = Run::new(&[FAILURE, HOUR], &[]);
    run.provider.retry_after = Duration::from_secs(20);
    run.prepare = |store| store.profiles()[0].request_refresh();
    assert_eq!(run.end().0, [0, 2, 1802]);

    let mut run = Run::new(&[FAILURE, HOUR], &[]);
    run.provider.retry_after = Duration::from_secs(20);
    assert_eq!(run.end().0, [0, 20, 1820]);
}

#[test]
fn request_for_servable_credentials_does_not_refresh_them() {
    let mut run = Run::new(&[HOUR], &[]);
    run.prepare = |store| store.profiles()[0].request_refresh();
    assert_eq!(run.end().0, [0, 1800]);
}

#[test]
fn refresh_follows_half_the_lifetime_or_the_retry_delay_of_a_failure() {
    assert_eq!(calls(&[HOUR, HOUR], &[]), [0, 1800, 3600]);
    assert_eq!(calls(&[FAILURE, FAILURE, HOUR], &[]), [0, 2, 4, 1804]);
}

#[test]
fn credentials_too_short_lived_to_be_served_are_failures_with_a_backoff() {
    let (calls, store) = Run::new(&[Some(15); 12], &[]).end();
    assert!(calls[11] > 120, "the delays grow: {calls:?}");
    let pauses: Vec<u64> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| (1..=60).contains(pause)), "{pauses:?}");
    let state = store.profiles()[0].state();
    let error = state.failure.expect("a failure").error.to_string();
    assert!(error.starts_with("hop 1: the credentials are valid for 15 s") && state.lease.is_none(), "{error}");
}

#[test]
fn published_credentials_outlast_a_failure_and_credentials_that_are_too_short_lived() {
    for next in [FAILURE, Some(5)] {
        let (_, store) = Run::new(&[HOUR, next], &[]).end();
        let state = store.profiles()[0].state();
        assert!(state.lease.is_some() && state.failure.is_some());
        assert!(store.readiness(None).is_some_and(|readiness| readiness.without_credentials.is_empty()));
    }
}

#[test]
fn credentials_that_have_expired_by_the_time_of_sts_are_withdrawn_after_a_failure() {
    for (hours, is_withdrawn) in [(0, false), (2, true)] {
        let mut run = Run::new(&[HOUR, FAILURE], &[]);
        run.sts_ahead = Duration::from_secs(3600 * hours);
        let (_, store) = run.end();
        assert_eq!(store.profiles()[0].state().lease.is_none(), is_withdrawn, "{hours}");
    }
}

#[test]
fn credentials_that_sts_ended_are_withdrawn() {
    let mut run = Run::new(&[HOUR, FAILURE], &[]);
    run.provider.is_lease_void = true;
    let (_, store) = run.end();
    assert!(store.profiles()[0].state().lease.is_none());
    let message = store.profiles()[0].unavailable_message();
    assert!(message.contains("since 2004-01-10T14:07:04Z (last error: token)"), "{message}");
}

#[test]
fn step_of_the_wall_clock_refreshes_after_the_current_sleep_interval_and_keeps_credentials_servable() {
    // In the third interval the wall clock jumps by two hours.
    let (calls, store) = Run::new(&[HOUR], &[0, 0, 7200]).end();
    assert_eq!(calls, [0, 90]);
    assert!(store.readiness(None).is_some_and(|readiness| readiness.without_credentials.is_empty()));
    // A step does not shorten a back-off.
    let mut run = Run::new(&[FAILURE], &[7200]);
    run.provider.retry_after = Duration::from_secs(60);
    assert_eq!(run.end().0, [0, 60]);
}

#[test]
fn clock_set_back_does_not_delay_the_refresh() {
    assert_eq!(calls(&[HOUR], &[0, -86_400]), [0, 1800]);
}
