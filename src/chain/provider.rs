//! The interface between a chain and the refresh loop.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::sync::watch;

use super::error::Failure;
use crate::{clock::Moment, lease::Lease, plan::HopName};

/// A credentials provider: one hop with its cached result.
pub(crate) trait ProvideCredentials: Send + Sync {
    /// Returns credentials from the cache or, if a refresh is due, from a new exchange.
    ///
    /// After a failed exchange, returns the same error until its back-off is over; repeated calls make no further
    /// attempts.
    fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>>;

    /// Ends the back-off, so that the next call of [`provide`](Self::provide) makes an attempt. Has no effect within 2 s of the last
    /// attempt.
    fn end_backoff(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Returns the hop, for messages.
    fn hop(&self) -> &HopName;

    /// Makes the next call of [`provide`](Self::provide) refresh the credentials, from [`until_wanted`](Self::until_wanted) on. An
    /// exchange in progress counts as that refresh.
    fn want_refresh(&self);

    /// Returns the time until a wanted refresh may start, at most 2 s, or `None` if no refresh is wanted.
    fn until_wanted(&self, now: Moment) -> Option<Duration>;

    /// Subscribes to events after which credentials from [`provide`](Self::provide) should be replaced before their time.
    fn renewals(&self) -> watch::Receiver<()>;
}

/// Receives the outcome of each attempt to obtain credentials, for metrics.
pub(crate) trait ObserveExchanges: Send + Sync {
    /// Records one attempt. `role_arn` is empty for a hop that assumes no role; `result` is `ok` or an error code.
    fn record_exchange(&self, hop: usize, role_arn: &str, result: &str, duration: Duration);

    /// Records that a call to the STS in `region` had to wait for its turn.
    fn record_delayed_call(&self, region: &str);

    /// Records one call of the STS in `region`; an attempt has several if it asks several regions.
    fn record_sts_call(&self, region: &str, result: &str);
}
