//! An error response of STS.

use std::time::SystemTime;

use super::Action;

/// An error document of STS.
#[derive(Clone, Debug, thiserror::Error)]
#[error("STS answered {code}: {message} (HTTP {status}, request ID {})", request_id.as_deref().unwrap_or("none"))]
pub(crate) struct Refusal {
    /// What was asked.
    pub(crate) action: Action,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The error's code, as on the wire.
    pub(crate) code: String,
    /// The error's text, without anything secret.
    pub(crate) message: String,
    /// STS's name for the call, for AWS's support and CloudTrail.
    pub(crate) request_id: Option<String>,
    /// When STS answered, by its own clock.
    pub(crate) date: Option<SystemTime>,
}
