//! Process management: signals, child processes, hardening and blocking work.

pub(crate) mod blocking;
pub(crate) mod child;
pub(crate) mod hardening;
pub(crate) mod shutdown;
pub(crate) mod workers;
