//! Process management: signals, child processes, hardening and blocking work.

pub(crate) mod blocking;
pub(crate) mod by_name;
pub(crate) mod child;
pub(crate) mod hardening;
mod ignored_signals;
pub(crate) mod program;
pub(crate) mod reaper;
pub(crate) mod shutdown;
mod signal_pipe;
pub(crate) mod workers;
