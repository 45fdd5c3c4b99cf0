//! Access to environment variables. No other module reads them. `Environment` is a trait so that tests can pass a map.

use std::{collections::HashMap, ffi::OsString};

/// A source of environment variables.
pub trait Environment: Send + Sync {
    /// Returns the value of the variable without changes.
    fn raw(&self, name: &str) -> Option<OsString>;

    /// Returns the value of the variable as trimmed text, or `None` if it is unset, empty or not UTF-8. An empty `env` value
    /// in a manifest counts as unset.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.raw(name)?.into_string().ok()?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// Returns the names of the `CREDVEND_` and `AWS_` variables whose values are not UTF-8. Treating them as unset could
    /// disable an authorization token.
    fn unreadable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "only this type reads the environment")]
    fn raw(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    #[expect(clippy::disallowed_methods, reason = "only this type reads the environment")]
    fn unreadable(&self) -> Vec<String> {
        let is_ours = |name: &str| name.starts_with("CREDVEND_") || name.starts_with("AWS_");
        std::env::vars_os()
            .filter(|(_, value)| value.to_str().is_none())
            .filter_map(|(name, _)| name.into_string().ok().filter(|name| is_ours(name)))
            .collect()
    }
}

impl Environment for HashMap<String, String> {
    fn raw(&self, name: &str) -> Option<OsString> {
        self.get(name).map(OsString::from)
    }
}
