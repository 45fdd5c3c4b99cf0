//! The only reader of the environment. A trait, so that tests pass a map.

use std::{collections::HashMap, ffi::OsString};

/// Where variables come from.
pub trait Environment {
    /// The variable's value, as it stands.
    fn raw(&self, name: &str) -> Option<OsString>;

    /// The variable's value as text. A variable that is empty, or not UTF-8, counts as not set: an empty `env` value in a
    /// manifest means nothing was meant.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.raw(name)?.into_string().ok()?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The names of our and of AWS's variables that hold something else than text. To take them for unset could turn an
    /// authorization token off.
    fn unreadable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The process's own environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
    fn raw(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
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
