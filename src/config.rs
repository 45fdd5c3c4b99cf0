//! What was typed, set and written down → what it means: the chains to vend, the proxies to go through.
//!
//! A flag outranks a variable, a variable outranks a profile's key (but for the session name, where SDKs have it the other
//! way). Every mistake is reported, at once, by the name of what holds it and never by its value.

pub(crate) mod endpoint_client;
mod identity;
pub(crate) mod logging;
mod parameters;
mod profile;
mod session;
pub(crate) mod shadowing;
mod sts_settings;

pub(crate) use identity::Identity;

use crate::{
    cli::IdentityArgs,
    settings::{environment::Environment, errors::ConfigErrors},
};

/// Reads everything that says whose credentials are vended, and how STS is reached.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, ConfigErrors> {
    Identity::read(args, env)
}
