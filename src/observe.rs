//! Observability: health, status, metrics, the admin listener and logs. None of them contains credentials.

pub(crate) mod admin;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod status;
pub(crate) mod telemetry;
