//! The refresh loop of a profile: provide, publish, sleep.
//!
//! Input: a [credentials provider](ProvideCredentials). Output: leases and failures, through a [`Publisher`]. The loop
//! sleeps until the next refresh or retry is due, until a reload wants a refresh, or until a request finds no credentials. A sleep is
//! split into short intervals, and the clocks are read after each: the runtime's timer stands still while a node is suspended.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    chain::{
        error::{Failure, ProviderError},
        hop_provider::Context,
        provider::ProvideCredentials,
    },
    clock::{Clock, Moment},
    lease::Lease,
    schedule::{
        backoff::{self, MIN_REQUESTED_INTERVAL},
        window::Window,
    },
    store::Publisher,
};

/// Refreshes one profile's credentials until the task is dropped or the sender of `stopped` is. In the second case, an exchange in
/// progress ends first, because other profiles may wait for it.
pub(crate) async fn keep_fresh(
    provider: Arc<dyn ProvideCredentials>,
    publisher: Publisher,
    context: Context,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut refresh = Refresh { provider, publisher, context, short_lived: 0 };
    loop {
        let outcome = refresh.provider.provide().await;
        if stopped.try_recv() != Err(TryRecvError::Empty) {
            return;
        }
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            () = refresh.publish_and_wait(outcome) => {}
        }
    }
}

struct Refresh {
    provider: Arc<dyn ProvideCredentials>,
    publisher: Publisher,
    context: Context,
    /// Number of consecutive exchanges whose credentials were too short-lived to be served.
    short_lived: u32,
}

impl Refresh {
    /// Publishes the outcome of an attempt, and waits until the next one is due.
    async fn publish_and_wait(&mut self, outcome: Result<Lease, Failure>) {
        match outcome {
            Ok(lease) if lease.window.is_never_servable() => {
                let failure = self.too_short(&lease);
                self.fail(failure).await;
                // The provider has the lease in its cache.
                self.provider.want_refresh();
                self.sleep_until_wanted().await;
            }
            Ok(lease) => {
                self.short_lived = 0;
                let window = lease.window;
                self.publisher.publish(lease);
                self.wait_until_due(window).await;
            }
            Err(failure) => self.fail(failure).await,
        }
    }

    /// Waits until the refresh is due or wanted.
    async fn wait_until_due(&self, window: Window) {
        let mut renewals = self.provider.renewals();
        tokio::select! {
            biased;
            () = self.publisher.refresh_requested() => self.provider.want_refresh(),
            _ = renewals.changed() => {}
            () = self.sleep_while(|now| {
                window.until_refresh(now).min(self.provider.until_wanted(now).unwrap_or(Duration::MAX))
            }) => return,
        }
        self.sleep_until_wanted().await;
    }

    /// Records a failure and waits for the back-off. A request that finds no credentials ends the back-off after 2 s.
    async fn fail(&self, failure: Failure) {
        let Context { clock, sts_clock, .. } = &self.context;
        self.publisher.failed(failure.clone(), sts_clock.confirmed_time(clock.now()));
        tokio::select! {
            biased;
            // An application is waiting for credentials: do not make it wait for the whole back-off.
            () = self.publisher.refresh_requested() => {
                self.sleep_while(|now| MIN_REQUESTED_INTERVAL.saturating_sub(now.since(failure.at))).await;
                self.provider.end_backoff().await;
            }
            () = self.sleep_while(|now| failure.until_retry(now)) => {}
        }
    }

    /// Returns the failure that stands for credentials which cannot be served. Logs the first one in a row.
    fn too_short(&mut self, lease: &Lease) -> Failure {
        self.short_lived = self.short_lived.saturating_add(1);
        let error = ProviderError::short_lived(self.provider.hop().clone(), &lease.window);
        if self.short_lived == 1 {
            tracing::warn!(profile = self.publisher.profile(), %error, "credentials too short-lived to be served");
        }
        Failure {
            error,
            attempts: self.short_lived,
            at: self.context.clock.now(),
            retry_after: backoff::delay(self.short_lived, Duration::ZERO, &*self.context.random),
            is_lease_void: false,
        }
    }

    async fn sleep_until_wanted(&self) {
        self.sleep_while(|now| self.provider.until_wanted(now).unwrap_or_default()).await;
    }

    async fn sleep_while(&self, remaining: impl Fn(Moment) -> Duration) {
        sleep_while(&*self.context.clock, remaining).await;
    }
}

/// Sleeps until `remaining` returns zero. Calls `remaining` again after each interval.
async fn sleep_while(clock: &dyn Clock, remaining: impl Fn(Moment) -> Duration) {
    loop {
        let remaining = remaining(clock.now());
        if remaining.is_zero() {
            return;
        }
        clock.sleep(remaining.min(clock.max_sleep())).await;
    }
}
