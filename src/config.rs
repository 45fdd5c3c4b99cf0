//! Parses arguments, environment variables and profiles into the chains to vend and the proxies to use.
//!
//! A flag overrides a variable, and a variable overrides a key of a profile. The role session name is an exception: as in the
//! SDKs, the key of the profile overrides the variable. All errors are reported at once. An error names the flag, variable or
//! key that holds the value. It shows the value if its kind is no secret (an ARN, a duration, a name or an address) and the value
//! does not look like a secret.

pub(crate) mod endpoint_client;
mod identity;
pub(crate) mod logging;
mod parameters;
mod profile;
mod session;
pub(crate) mod shadowing;
mod source;
mod sts_settings;

pub(crate) use identity::Identity;

use crate::{
    bounded_file::FifoPolicy,
    cli::IdentityArgs,
    settings::{environment::Environment, errors::ConfigErrors},
};

/// Reads the chains to vend and the settings for STS. `fifos` tells whether the files can be FIFOs, as a shell makes them.
///
/// # Errors
/// Returns all errors in the flags, variables and profiles.
pub(crate) fn identity(
    args: &IdentityArgs,
    env: &dyn Environment,
    fifos: FifoPolicy,
) -> Result<Identity, ConfigErrors> {
    Identity::read(args, env, fifos)
}
