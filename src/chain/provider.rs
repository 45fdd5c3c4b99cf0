//! The interface between a chain and the refresh loop.

use std::{future::Future, pin::Pin, time::Duration};

use super::error::Failure;
use crate::lease::Lease;

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
}

/// Receives the outcome of each attempt to obtain credentials, for metrics.
pub(crate) trait ObserveExchanges: Send + Sync {
    /// Records one attempt. `role_arn` is empty for a hop that assumes no role; `result` is `ok` or an error code.
    fn record_exchange(&self, hop: usize, role_arn: &str, result: &str, duration: Duration);
}
