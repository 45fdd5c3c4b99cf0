//! Parses arguments, environment variables and profiles into the chains to vend and the proxies to use.
//!
//! A flag overrides a variable, and a variable overrides a key of a profile. The role session name is an exception: as in the
//! SDKs, the key of the profile overrides the variable. All errors are reported at once. An error names the flag, variable or
//! key that holds the value, and does not repeat a value that could be a secret.

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

/// Reads the chains to vend and the settings for STS.
///
/// # Errors
/// Returns all errors in the flags, variables and profiles.
pub(crate) fn identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, ConfigErrors> {
    Identity::read(args, env)
}

/// Rejects chains whose base is an endpoint of this process.
///
/// # Errors
/// Returns an error for each profile with this kind of chain.
pub(crate) fn refuse_own_endpoint(identity: &Identity, sinks: &Sinks) -> Result<(), ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let credentials = sinks.listeners.credentials.iter().map(|address| ("--listen", address));
    let listeners: Vec<_> = credentials.chain(sinks.imds.iter().map(|address| ("--imds-listen", address))).collect();
    for chain in &identity.chains {
        if let Some((flag, own)) = listeners.iter().find(|(_, listener)| chain.base.is_served_by(**listener)) {
            errors.add(format!(
                "profile {}: credential_source points to credvend's own {flag} {own}; set the address of the endpoint that \
                 provides the credentials",
                chain.profile
            ));
        }
    }
    errors.none_or(Some(()))
}
