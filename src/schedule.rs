//! Decides when to refresh credentials, how long to serve them and how long to wait after a failure.

pub(crate) mod backoff;
pub(crate) mod window;
