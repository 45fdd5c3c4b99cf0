//! Lets the calls of all hops wait for their turn, so that a process with hundreds of profiles does not call an STS that throttles it more
//! often than it answers.
//!
//! AWS throttles the account of the caller in each region, so there is one [`Pacer`] for each account and endpoint. They last as long as
//! the process: a reload forgets nothing. A call waits before it starts, so the wait takes nothing from the time of an attempt.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    clock::{Clock, Moment},
    schedule::pace::Pace,
    sts::{Endpoint, StsError},
};

/// The pacers of a process.
#[derive(Default)]
pub(crate) struct Pacers(Mutex<HashMap<(String, Endpoint), Arc<Pacer>>>);

/// The turns of the calls to one STS in the name of one account.
pub(crate) struct Pacer {
    account_id: String,
    region: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pace: Pace,
    /// The calls that wait, by the time from which their hop has no credentials, and by arrival. So no call waits forever: later arrivals
    /// need credentials later.
    queue: BTreeMap<(Duration, u64), Arc<Notify>>,
    arrivals: u64,
    /// Whether the log says that calls wait because STS throttles.
    is_logged: bool,
}

/// A place in the queue, which is given up when this value is dropped.
struct Place<'a> {
    pacer: &'a Pacer,
    key: (Duration, u64),
}

impl Pacers {
    /// Returns the pacer of the calls that the account makes at `endpoint`. Callers whose account is unknown share one.
    pub(crate) fn of(&self, account_id: &str, endpoint: &Endpoint) -> Arc<Pacer> {
        let mut pacers = lock(&self.0);
        let pacer = pacers.entry((account_id.to_owned(), endpoint.clone())).or_insert_with(|| {
            let (account_id, region) = (account_id.to_owned(), endpoint.region().to_owned());
            Arc::new(Pacer { account_id, region, state: Mutex::default() })
        });
        Arc::clone(pacer)
    }

    /// Returns true if an STS throttled a call lately.
    pub(crate) fn are_limited(&self) -> bool {
        lock(&self.0).values().any(|pacer| lock(&pacer.state).pace.limit().is_some())
    }
}

impl Pacer {
    /// Waits until the next call may be sent. `needed` is the reading of the monotonic clock from which the caller has no credentials; the
    /// earliest goes first. Returns whether the caller had to wait.
    pub(crate) async fn turn(&self, clock: &dyn Clock, needed: Duration) -> bool {
        let turn = Arc::new(Notify::new());
        let place = {
            let mut state = lock(&self.state);
            if state.queue.is_empty() && state.pace.take(clock.now().monotonic).is_ok() {
                return false;
            }
            state.arrivals += 1;
            let key = (needed, state.arrivals);
            state.queue.insert(key, Arc::clone(&turn));
            Place { pacer: self, key }
        };
        loop {
            let wait = {
                let mut state = lock(&self.state);
                let is_first = state.queue.keys().next() == Some(&place.key);
                let wait = is_first.then(|| state.pace.take(clock.now().monotonic));
                if matches!(wait, Some(Err(_))) {
                    self.log_limit(&mut state);
                }
                wait
            };
            match wait {
                Some(Ok(())) => return true,
                // Only the first in the queue sleeps. A more urgent call can come first meanwhile.
                Some(Err(wait)) => clock.sleep(wait.min(clock.max_sleep())).await,
                None => turn.notified().await,
            }
        }
    }

    /// Logs once that calls wait because STS throttles.
    fn log_limit(&self, state: &mut State) {
        if state.pace.limit().is_some() && !std::mem::replace(&mut state.is_logged, true) {
            let Self { account_id, region, .. } = self;
            tracing::warn!(region, account_id, "calls wait for their turn, because STS throttles");
        }
    }

    /// Returns the time that a call would wait for its turn.
    pub(crate) fn expected_wait(&self, now: Moment) -> Duration {
        let state = lock(&self.state);
        match state.pace.limit() {
            Some(_) => state.pace.time_for(state.queue.len(), now.monotonic),
            None => Duration::ZERO,
        }
    }

    /// Records the result of a call that was sent at `sent`.
    pub(crate) fn record(&self, sent: Moment, now: Moment, error: Option<&StsError>) {
        let (sent, now) = (sent.monotonic, now.monotonic);
        let mut state = lock(&self.state);
        match error {
            None => state.pace.served(sent, now),
            Some(error) if error.is_throttling() => {
                state.is_logged &= !state.pace.refused(sent, now, error.retry_after());
            }
            // STS did not work or was not reached: the rate of the calls is not the reason.
            Some(error) if error.is_regional() => {}
            Some(_) => state.pace.served(sent, now),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.pacer.state);
        state.queue.remove(&self.key);
        if let Some(first) = state.queue.values().next() {
            first.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
