//! What was typed, set and written down → what it means: the chains to vend, the proxies to go through.
//!
//! A flag outranks a variable, a variable outranks a profile's key (but for the session name, where SDKs have it the other
//! way). Every mistake is reported, at once, by the name of what holds it and never by its value.

pub mod container;
pub mod env;
mod identity;
mod parameters;
mod profile;
pub mod shadowing;
pub mod sinks;
mod sts_settings;

use std::fmt;

pub use identity::Identity;

use crate::{
    arn::NotValid,
    cli::IdentityArgs,
    config::{env::Environment, sinks::Sinks},
};

/// What is wrong with a configuration; never empty.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// One mistake.
    pub fn one(mistake: impl Into<String>) -> Self {
        Self(vec![mistake.into()])
    }

    fn add(&mut self, mistake: impl Into<String>) {
        let mistake = mistake.into();
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    /// Keeps what is wrong with a parsed value, by the name of what holds it.
    fn check<T>(&mut self, origin: &str, parsed: Result<T, NotValid>) -> Option<T> {
        parsed.map_err(|why| self.add(format!("{origin} {why}"))).ok()
    }

    fn none_or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            several => {
                write!(f, "{} mistakes in the configuration:", several.len())?;
                for (number, mistake) in (1..).zip(several) {
                    write!(f, " ({number}) {mistake}")?;
                    f.write_str(if number == several.len() { "" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}

/// A text and the name of the flag or variable that it came from.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: String,
}

/// The flag's value, else that of the first variable that is set.
pub(crate) fn pick(flag: Option<&String>, flag_name: &str, env: &dyn Environment, variables: &[&str]) -> Option<Given> {
    match flag {
        Some(text) => Some(Given { text: text.clone(), origin: flag_name.to_owned() }),
        None => variables.iter().find_map(|name| Some(Given { text: env.text(name)?, origin: (*name).to_owned() })),
    }
}

/// The flag's values, else those of the variable, between commas.
fn pick_list(flags: &[String], flag_name: &str, env: &dyn Environment, variable: &str) -> Vec<Given> {
    if !flags.is_empty() {
        return flags.iter().map(|text| Given { text: text.clone(), origin: flag_name.to_owned() }).collect();
    }
    let list = env.text(variable).unwrap_or_default();
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|text| Given { text: text.to_owned(), origin: variable.to_owned() }).collect()
}

/// Reads everything that says whose credentials are vended, and how STS is reached.
///
/// # Errors
/// Every mistake in it.
pub fn identity(args: &IdentityArgs, env: &dyn Environment) -> Result<Identity, Mistakes> {
    Identity::read(args, env)
}

/// Refuses a chain that would begin at the endpoint that it fills.
///
/// # Errors
/// Every profile whose chain does.
pub fn refuse_own_endpoint(identity: &Identity, sinks: &Sinks) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let credentials = sinks.listeners.credentials.iter().map(|address| ("--listen", address));
    let listeners: Vec<_> = credentials.chain(sinks.imds.iter().map(|address| ("--imds-listen", address))).collect();
    for chain in &identity.chains {
        if let Some((flag, own)) = listeners.iter().find(|(_, listener)| chain.base.is_served_at(**listener)) {
            mistakes.add(format!(
                "profile {}: its credential_source is this credvend's own {flag} {own}: name the endpoint that its \
                 credentials come from",
                chain.profile
            ));
        }
    }
    mistakes.none_or(Some(()))
}
