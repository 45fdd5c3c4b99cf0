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
pub(crate) mod sinks;
mod sts_settings;

pub(crate) use identity::Identity;

use crate::{
    cli::IdentityArgs,
    config::sinks::Sinks,
    settings::{environment::Environment, errors::ConfigErrors},
};

/// Reads everything that says whose credentials are vended, and how STS is reached.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, ConfigErrors> {
    Identity::read(args, env)
}

/// Refuses a chain that would begin at the endpoint that it fills.
///
/// # Errors
/// Every profile whose chain does.
pub(crate) fn refuse_own_endpoint(identity: &Identity, sinks: &Sinks) -> Result<(), ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let credentials = sinks.listeners.credentials.iter().map(|address| ("--listen", address));
    let listeners: Vec<_> = credentials.chain(sinks.imds.iter().map(|address| ("--imds-listen", address))).collect();
    for chain in &identity.chains {
        if let Some((flag, own)) = listeners.iter().find(|(_, listener)| chain.base.is_served_by(**listener)) {
            errors.add(format!(
                "profile {}: its credential_source is this credvend's own {flag} {own}: name the endpoint that its \
                 credentials come from",
                chain.profile
            ));
        }
    }
    errors.none_or(Some(()))
}
