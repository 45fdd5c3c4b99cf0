//! Configuration errors, collected so that all of them are reported together.

use std::fmt;

use crate::arn::NotValid;

/// A list of configuration errors.
#[derive(Debug, Default)]
pub(crate) struct ConfigErrors(Vec<String>);

impl ConfigErrors {
    /// Creates a list of one error.
    pub(crate) fn one(error: impl Into<String>) -> Self {
        Self(vec![error.into()])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an error, unless the list already has it.
    pub(crate) fn add(&mut self, error: impl Into<String>) {
        let error = error.into();
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// Returns the parsed value, or adds an error that starts with the origin of the value.
    pub(crate) fn check<T>(&mut self, origin: &str, parsed: Result<T, NotValid>) -> Option<T> {
        parsed.map_err(|error| self.add(format!("{origin} {error}"))).ok()
    }

    /// Returns `value` if there are no errors.
    ///
    /// # Errors
    /// Returns the list if it has errors or if `value` is `None`.
    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            several => {
                write!(f, "{} configuration errors:", several.len())?;
                for (number, error) in (1..).zip(several) {
                    write!(f, " ({number}) {error}")?;
                    f.write_str(if number == several.len() { "" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}
