//! Sinks: where credentials go. A sink reads the store and never asks for anything; each owns its wire form.

pub mod config_file;
pub mod endpoint;
pub mod export;
pub mod file;
pub mod instance_metadata;
pub mod process;
