//! The only loop: provide → publish → sleep, once a profile.
//!
//! Nothing is polled: it sleeps until the next thing is due. Sleeps are cut into pieces, since a runtime's timer stands
//! still in a suspended node while the wall clock goes on: after each piece both clocks are asked again.

use std::{sync::Arc, time::Duration};

use crate::{chain::provider::ProvideCredentials, clock::Clock, store::Publisher};

/// The longest piece of a sleep.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// Keeps one profile's credentials fresh until the task is dropped.
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
                sleep_while(&*clock, || failure.until_retry(clock.now())).await;
            }
        }
    }
}

/// Sleeps until `remaining` is nothing, asking it again after every piece.
async fn sleep_while(clock: &dyn Clock, remaining: impl Fn() -> Duration) {
    loop {
        let left = remaining();
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(MAX_SLEEP)).await;
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

    /// A clock that a sleep moves on; `steps` says what else happens to the wall clock during each sleep.
    struct Scripted {
        now: Mutex<Moment>,
        steps: Mutex<VecDeque<i64>>,
    }

    impl Scripted {
        fn new(steps: &[i64]) -> Arc<Self> {
            let start =
                Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30), monotonic: Duration::ZERO };
            Arc::new(Self { now: Mutex::new(start), steps: Mutex::new(steps.iter().copied().collect()) })
        }
    }

    impl Clock for Scripted {
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

    /// Gives an hour's credentials or a failure, as scripted, and keeps when it was asked. Asked once more it never answers.
    struct Provider {
        clock: Arc<Scripted>,
        script: Mutex<VecDeque<bool>>,
        asked: Mutex<Vec<Duration>>,
    }

    impl ProvideCredentials for Provider {
        fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>> {
            let now = self.clock.now();
            self.asked.lock().expect("unpoisoned").push(now.monotonic);
            let lifetime = Duration::from_secs(3600);
            let given = self.script.lock().expect("unpoisoned").pop_front();
            Box::pin(async move {
                match given {
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
                        retry_after: Duration::from_secs(2),
                    }),
                }
            })
        }
    }

    /// When the provider was asked, in seconds of the monotonic clock, and what the store then holds.
    fn asked(script: &[bool], steps: &[i64]) -> (Vec<u64>, Arc<Store>) {
        let clock = Scripted::new(steps);
        let provider = Arc::new(Provider {
            clock: Arc::clone(&clock),
            script: Mutex::new(script.iter().copied().collect()),
            asked: Mutex::default(),
        });
        let store = Store::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let publisher = store.set_profiles(&[crate::plan::tests::chain("app")]).pop().expect("one");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = keep_fresh(Arc::clone(&provider) as Arc<dyn ProvideCredentials>, publisher, clock) => {}
                // The loop stands still only where the script ends.
                () = std::future::ready(()) => {}
            }
        });
        let asked = provider.asked.lock().expect("unpoisoned").iter().map(Duration::as_secs).collect();
        (asked, store)
    }

    #[test]
    fn it_asks_again_at_half_of_a_life_and_after_a_failure_when_that_says_so() {
        assert_eq!(asked(&[true, true], &[]).0, [0, 1800, 3600]);
        assert_eq!(asked(&[false, false, true], &[]).0, [0, 2, 4, 1804]);
    }

    #[test]
    fn a_failure_leaves_what_is_published() {
        let (_, store) = asked(&[true, false], &[]);
        let state = store.profiles()[0].state();
        assert!(state.lease.is_some() && state.failure.is_some());
        assert!(store.readiness(None).is_some_and(|readiness| readiness.without_credentials.is_empty()));
    }

    #[test]
    fn a_suspended_node_refreshes_at_its_next_piece_of_sleep() {
        // In the third piece of sleep the wall clock goes on by two hours: the node was suspended.
        assert_eq!(asked(&[true], &[0, 0, 7200]).0, [0, 90]);
    }

    #[test]
    fn a_clock_set_back_delays_nothing() {
        assert_eq!(asked(&[true], &[0, -86_400]).0, [0, 1800]);
    }
}
