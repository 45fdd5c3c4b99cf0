//! Sinks: where credentials go. A sink reads the store and never asks for anything; each owns its wire form.

pub(crate) mod config_file;
pub(crate) mod credential_process;
pub(crate) mod endpoint;
pub(crate) mod export;
pub(crate) mod file;
pub(crate) mod instance_metadata;
