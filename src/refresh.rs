//! The refresh loop of a profile: provide, publish, sleep.
//!
//! Input: a [credentials provider](ProvideCredentials). Output: leases and failures, through a [`Publisher`]. The loop
//! sleeps until the next refresh or retry is due, or until a request finds no credentials during a back-off. A sleep is split into short intervals, and both clocks are read
//! after each: the runtime's timer stands still while a node is suspended, but the wall clock continues.

use std::{sync::Arc, time::Duration};

use crate::{
    chain::provider::ProvideCredentials, clock::Clock, schedule::backoff::MIN_REQUESTED_INTERVAL, store::Publisher,
};

/// Maximum length of one sleep interval.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// Refreshes one profile's credentials until the task is dropped.
pub(crate) async fn keep_fresh(provider: Arc<dyn ProvideCredentials>, publisher: Publisher, clock: Arc<dyn Clock>) {
    loop {
        match provider.provide().await {
            Ok(lease) => {
                let window = lease.window;
                publisher.publish(lease);
                sleep_while(&*clock, || window.until_refresh(clock.now())).await;
            }
            Err(failure) => {
                publisher.failed(failure.clone());
                tokio::select! {
                    biased;
                    // An application is waiting for credentials: do not make it wait for the whole back-off.
                    () = publisher.refresh_requested() => {
                        sleep_while(&*clock, || MIN_REQUESTED_INTERVAL.saturating_sub(clock.now().since(failure.at))).await;
                        provider.end_backoff().await;
                    }
                    () = sleep_while(&*clock, || failure.until_retry(clock.now())) => {}
                }
            }
        }
    }
}

/// Sleeps until `remaining` returns zero. Calls `remaining` again after each interval.
async fn sleep_while(clock: &dyn Clock, remaining: impl Fn() -> Duration) {
    loop {
        let remaining = remaining();
        if remaining.is_zero() {
            return;
        }
        clock.sleep(remaining.min(MAX_SLEEP)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        future::Future,
        pin::Pin,
        sync::Mutex,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::schedule::window::Window;
    use crate::{
        arn::SessionName,
        chain::error::{Failure, ProviderError},
        clock::Moment,
        credentials::{Credentials, Expiry},
        lease::Lease,
        store::Store,
        token::TokenFile,
    };

    /// A clock that advances only while it sleeps. During each sleep, the wall clock also jumps by the next of
    /// `steps`, in seconds.
    struct ScriptedClock {
        now: Mutex<Moment>,
        steps: Mutex<VecDeque<i64>>,
    }

    impl ScriptedClock {
        fn new(steps: &[i64]) -> Arc<Self> {
            let start =
                Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30), monotonic: Duration::ZERO };
            Arc::new(Self { now: Mutex::new(start), steps: Mutex::new(steps.iter().copied().collect()) })
        }
    }

    impl Clock for ScriptedClock {
        fn now(&self) -> Moment {
            *self.now.lock().expect("unpoisoned")
        }

        fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            assert!(length <= MAX_SLEEP, "{length:?}");
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

    /// Returns one-hour credentials (`true`) or a failure (`false`) as scripted, and records the time of each call.
    /// After the end of the script, a call never completes.
    struct ScriptedProvider {
        clock: Arc<ScriptedClock>,
        script: Mutex<VecDeque<bool>>,
        calls: Mutex<Vec<Duration>>,
        /// Back-off after a failure.
        retry_after: Duration,
    }

    impl ProvideCredentials for ScriptedProvider {
        fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>> {
            let now = self.clock.now();
            self.calls.lock().expect("unpoisoned").push(now.monotonic);
            let lifetime = Duration::from_secs(3600);
            let outcome = self.script.lock().expect("unpoisoned").pop_front();
            Box::pin(async move {
                match outcome {
                    None => std::future::pending().await,
                    Some(true) => Ok(Lease {
                        credentials: Credentials::of_source(
                            "key".into(),
                            "secret".into(),
                            None,
                            Some(Expiry::from(now.wall + lifetime)),
                            None,
                        ),
                        window: Window::new(now, lifetime, 0.0),
                        session_name: SessionName::mapped_from("test"),
                        claims: None,
                        receipt: crate::lease::Receipt::default(),
                    }),
                    Some(false) => Err(Failure {
                        error: ProviderError::Token(TokenFile::new("/absent").read().expect_err("no such file")),
                        attempts: 1,
                        at: now,
                        retry_after: self.retry_after,
                    }),
                }
            })
        }

        fn end_backoff(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::ready(()))
        }
    }

    /// Runs the loop to the end of the script. Returns the times of the provider's calls, in seconds of the monotonic
    /// clock, and the store.
    fn run(script: &[bool], steps: &[i64]) -> (Vec<u64>, Arc<Store>) {
        run_with(script, steps, Duration::from_secs(2), |_| {})
    }

    /// Like [`run`], with this back-off after a failure, and with `prepare` called before the loop starts.
    fn run_with(
        script: &[bool],
        steps: &[i64],
        retry_after: Duration,
        prepare: impl Fn(&Store),
    ) -> (Vec<u64>, Arc<Store>) {
        let clock = ScriptedClock::new(steps);
        let provider = Arc::new(ScriptedProvider {
            clock: Arc::clone(&clock),
            script: Mutex::new(script.iter().copied().collect()),
            calls: Mutex::default(),
            retry_after,
        });
        let store = Store::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let publisher = store.set_profiles(&[crate::plan::tests::chain("app")]).pop().expect("one");
        prepare(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = keep_fresh(Arc::clone(&provider) as Arc<dyn ProvideCredentials>, publisher, clock) => {}
                // The loop is pending only after the end of the script.
                () = std::future::ready(()) => {}
            }
        });
        let calls = provider.calls.lock().expect("unpoisoned").iter().map(Duration::as_secs).collect();
        (calls, store)
    }

    #[test]
    fn request_without_credentials_shortens_the_backoff_to_2_s() {
        let backoff = Duration::from_secs(20);
        let request = |store: &Store| store.profiles()[0].request_refresh();
        assert_eq!(run_with(&[false, true], &[], backoff, request).0, [0, 2, 1802]);
        assert_eq!(run_with(&[false, true], &[], backoff, |_| {}).0, [0, 20, 1820]);
    }

    #[test]
    fn refresh_follows_half_the_lifetime_or_the_retry_delay_of_a_failure() {
        assert_eq!(run(&[true, true], &[]).0, [0, 1800, 3600]);
        assert_eq!(run(&[false, false, true], &[]).0, [0, 2, 4, 1804]);
    }

    #[test]
    fn published_credentials_outlast_a_failure() {
        let (_, store) = run(&[true, false], &[]);
        let state = store.profiles()[0].state();
        assert!(state.lease.is_some() && state.failure.is_some());
        assert!(store.readiness(None).is_some_and(|readiness| readiness.without_credentials.is_empty()));
    }

    #[test]
    fn resumed_node_refreshes_after_the_current_sleep_interval() {
        // In the third interval the wall clock jumps by two hours, as on a suspended node.
        assert_eq!(run(&[true], &[0, 0, 7200]).0, [0, 90]);
    }

    #[test]
    fn clock_set_back_does_not_delay_the_refresh() {
        assert_eq!(run(&[true], &[0, -86_400]).0, [0, 1800]);
    }
}
