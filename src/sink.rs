//! Sinks: where credentials go. A sink reads the store and never asks for anything; each owns its wire form.

pub mod endpoint;
pub mod export;
pub mod file;
pub mod process;
