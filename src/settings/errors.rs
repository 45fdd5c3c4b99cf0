//! Configuration errors, collected so that all of them are reported at once.

use std::fmt;

use crate::arn::NotValid;

/// What is wrong with a configuration; never empty.
#[derive(Debug, Default)]
pub(crate) struct ConfigErrors(Vec<String>);

impl ConfigErrors {
    /// One mistake.
    pub(crate) fn one(mistake: impl Into<String>) -> Self {
        Self(vec![mistake.into()])
    }

    /// Returns the number of errors.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, mistake: impl Into<String>) {
        let mistake = mistake.into();
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    /// Keeps what is wrong with a parsed value, by the name of what holds it.
    pub(crate) fn check<T>(&mut self, origin: &str, parsed: Result<T, NotValid>) -> Option<T> {
        parsed.map_err(|why| self.add(format!("{origin} {why}"))).ok()
    }

    pub(crate) fn none_or<T>(self, value: Option<T>) -> Result<T, Self> {
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
