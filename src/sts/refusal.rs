//! The error response of STS: code, message and metadata.

use std::time::{Duration, SystemTime};

use super::Action;

/// An error response of STS.
#[derive(Clone, Debug, thiserror::Error)]
#[error("STS answered {code}: {message} (HTTP {status}, request ID {})", request_id.as_deref().unwrap_or("none"))]
pub(crate) struct Refusal {
    /// The requested action.
    pub(crate) action: Action,
    pub(crate) status: u16,
    /// The error code as returned by STS, with secrets redacted.
    pub(crate) code: String,
    /// The error message, with secrets redacted.
    pub(crate) message: String,
    /// The request ID, to look the request up in CloudTrail or to quote to AWS Support.
    pub(crate) request_id: Option<String>,
    /// The `Date` header: the time of the response by STS's clock.
    pub(crate) date: Option<SystemTime>,
    /// The `Retry-After` header: the time from the response in which STS wants no further call.
    pub(crate) retry_after: Option<Duration>,
}
