//! Credentials for one-shot use, in the syntax of whoever reads them.
//!
//! A value that a format cannot carry is refused, never mangled: what is written is exactly what STS gave.

use zeroize::Zeroizing;

use super::process;
use crate::{arn::Region, credentials::Credentials};

/// A syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `export NAME='…'` lines, to be evaluated by a POSIX shell.
    Env,
    /// The `credential_process` document.
    Json,
}

/// Why a format cannot carry these credentials.
#[derive(Debug, thiserror::Error)]
#[error("{variable} holds a character that the format {format:?} cannot carry; use --format json")]
pub struct NotCarried {
    variable: &'static str,
    format: Format,
}

impl Format {
    /// Every format by its name.
    pub const ALL: [(&'static str, Self); 2] = [("env", Self::Env), ("json", Self::Json)];

    /// Writes the credentials, and the region where one is known.
    ///
    /// # Errors
    /// Where a value holds what the format cannot carry.
    pub fn render(self, credentials: &Credentials, region: Option<&Region>) -> Result<Zeroizing<String>, NotCarried> {
        if self == Self::Json {
            return Ok(process::document(credentials));
        }
        let mut text = Zeroizing::new(String::with_capacity(4096));
        for (variable, value) in variables(credentials, region) {
            if value.contains(|c: char| c == '\'' || c.is_control()) {
                return Err(NotCarried { variable, format: self });
            }
            for part in ["export ", variable, "='", &value, "'\n"] {
                text.push_str(part);
            }
        }
        Ok(text)
    }
}

/// The variables that SDKs read, without empty ones.
fn variables(
    credentials: &Credentials,
    region: Option<&Region>,
) -> impl Iterator<Item = (&'static str, Zeroizing<String>)> {
    let region = region.map_or("", Region::as_str);
    let expiry = credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
    [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.expose_secret_access_key()),
        ("AWS_SESSION_TOKEN", credentials.expose_session_token()),
        ("AWS_CREDENTIAL_EXPIRATION", &expiry),
        // botocore reads the one, most other SDKs the other.
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
    ]
    .map(|(variable, value)| (variable, Zeroizing::new(value.to_owned())))
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
}
