//! Decides when to refresh credentials, how long they live and are served, how long to wait after a failure, and how fast to call an STS
//! that throttles.

pub(crate) mod backoff;
pub(crate) mod lifetime;
pub(crate) mod pace;
pub(crate) mod pacer;
pub(crate) mod window;
