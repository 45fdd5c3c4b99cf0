//! Decides when to refresh credentials, how long they live and are served, and how long to wait after a failure.

pub(crate) mod backoff;
pub(crate) mod lifetime;
pub(crate) mod window;
