//! The interface between a chain and the refresh loop.

use std::{future::Future, pin::Pin, time::Duration};

use super::error::Failure;
use crate::lease::Lease;

/// A provider of credentials that are not yet due for refresh.
pub(crate) trait ProvideCredentials: Send + Sync {
    /// Returns credentials from the cache or, if a refresh is due, from a new exchange.
    ///
    /// After a failed exchange, returns the same error until its back-off is over; repeated calls make no further attempts.
    fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>>;
}

/// Receives the outcome of each exchange, for metrics.
pub(crate) trait ObserveExchanges: Send + Sync {
    /// Records one attempt: the hop's number, its role ARN (empty if it assumes none), `ok` or an error code, and the time it took.
    fn exchanged(&self, hop: usize, role_arn: &str, result: &str, took: Duration);
}
