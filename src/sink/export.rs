//! Credentials for one-shot use, in the syntax of whoever reads them.
//!
//! A value that a syntax cannot carry is refused, never mangled: what a reader ends up with is exactly what STS gave.

use std::fmt;

use zeroize::Zeroizing;

use super::process;
use crate::{
    arn::Region,
    credentials::Credentials,
    shared_file::{SectionUpdate, splice},
};

/// A syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `export NAME='…'` lines, for a POSIX shell to evaluate.
    Env,
    /// `NAME='…'` lines: the env files of Kubernetes from 1.35 on
    /// ([KEP-3721](https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3721-support-for-env-files)).
    Dotenv,
    /// Bare `NAME=…` lines, for `docker run --env-file` and the env files of Kubernetes 1.34.
    Docker,
    /// `set -gx NAME '…'` lines, for fish to source.
    Fish,
    /// `$Env:NAME = '…'` lines, for PowerShell to evaluate.
    Powershell,
    /// The `credential_process` document.
    Json,
    /// A section of the shared credentials file.
    Credentials,
}

/// Why a syntax cannot carry these credentials. Names the value, never shows it.
#[derive(Debug, thiserror::Error)]
#[error("the format {format} cannot carry a character of {what}; use --format json")]
pub struct NotCarried {
    what: &'static str,
    format: Format,
}

/// What is exported.
#[derive(Clone, Copy)]
pub struct Exported<'a> {
    /// The credentials.
    pub credentials: &'a Credentials,
    /// The region that applications are told.
    pub region: Option<&'a Region>,
    /// The profile's name.
    pub profile: &'a str,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] =
        [Self::Env, Self::Dotenv, Self::Docker, Self::Fish, Self::Powershell, Self::Json, Self::Credentials];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Json => "json",
            Self::Credentials => "credentials",
        }
    }

    /// Writes the credentials.
    ///
    /// # Errors
    /// Where a value holds what the format cannot carry.
    pub fn render(self, exported: Exported<'_>) -> Result<Zeroizing<String>, NotCarried> {
        match self {
            Self::Json => Ok(process::document(exported.credentials)),
            Self::Credentials => section(exported),
            _ => {
                let mut text = Zeroizing::new(String::with_capacity(4096));
                for (name, value) in variables(exported) {
                    let line = self.line(name, &value).ok_or(NotCarried { what: name, format: self })?;
                    text.push_str(&line);
                    text.push('\n');
                }
                Ok(text)
            }
        }
    }

    /// One variable's line; `None` where the value does not fit in.
    fn line(self, name: &str, value: &str) -> Option<Zeroizing<String>> {
        if value.chars().any(char::is_control) {
            return None;
        }
        let line = match self {
            Self::Env => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            Self::Fish => format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
            // Its quotes end at typographic ones too.
            Self::Powershell if value.is_ascii() => format!("$Env:{name} = '{}'", value.replace('\'', "''")),
            // There is no escape in these two: a quote ends the one, and of the other blanks at the ends are cut and a
            // backslash at the end joins lines.
            Self::Dotenv if !value.contains('\'') => format!("{name}='{value}'"),
            Self::Docker if value.trim() == value && !value.ends_with('\\') => format!("{name}={value}"),
            _ => return None,
        };
        Some(Zeroizing::new(line))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The variables that SDKs read, without empty ones: Kubernetes takes an empty one for missing.
fn variables(exported: Exported<'_>) -> impl Iterator<Item = (&'static str, Zeroizing<String>)> {
    let Exported { credentials, region, .. } = exported;
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
    .map(|(name, value)| (name, Zeroizing::new(value.to_owned())))
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
}

fn section(exported: Exported<'_>) -> Result<Zeroizing<String>, NotCarried> {
    let not_carried = || NotCarried { what: "the profile's name or its credentials", format: Format::Credentials };
    let Exported { credentials, profile, .. } = exported;
    let expiry = credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
    let update = SectionUpdate::new(
        profile,
        credentials.access_key_id(),
        credentials.expose_secret_access_key(),
        credentials.expose_session_token(),
        &expiry,
    );
    let bytes = splice(b"", &[update.map_err(|_| not_carried())?]);
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| not_carried())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Expiry;

    fn render(format: Format, secret: &str) -> Result<String, String> {
        let expiry = Expiry::parse("2026-11-21T10:00:00Z");
        let credentials = Credentials::of_source("AKIA".into(), secret.into(), Some("t/+=".into()), expiry, None);
        let exported = Exported { credentials: &credentials, region: None, profile: "default" };
        format.render(exported).map(|text| text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_syntax_carries_a_plain_key() {
        for (format, line) in [
            (Format::Env, "export AWS_SECRET_ACCESS_KEY='a/b+c'\n"),
            (Format::Dotenv, "AWS_SECRET_ACCESS_KEY='a/b+c'\n"),
            (Format::Docker, "AWS_SECRET_ACCESS_KEY=a/b+c\n"),
            (Format::Fish, "set -gx AWS_SECRET_ACCESS_KEY 'a/b+c'\n"),
            (Format::Powershell, "$Env:AWS_SECRET_ACCESS_KEY = 'a/b+c'\n"),
            (Format::Json, "\"SecretAccessKey\":\"a/b+c\""),
            (Format::Credentials, "aws_secret_access_key = a/b+c\n"),
        ] {
            let text = render(format, "a/b+c").expect("carried");
            assert!(text.contains(line), "{text}");
            assert!(!text.contains("REGION"), "an unknown region is left out");
        }
    }

    #[test]
    fn what_a_syntax_cannot_carry_it_refuses_without_showing_it() {
        use Format::{Credentials, Docker, Dotenv, Env, Fish, Json, Powershell};
        for (secret, refusing) in [
            ("hid'den", &[Dotenv][..]),
            ("hidden\n", &[Env, Dotenv, Docker, Fish, Powershell, Credentials]),
            ("hidden\\", &[Docker]),
            ("hidden ", &[Docker, Credentials]),
            ("hid’den", &[Powershell]),
        ] {
            for format in Format::ALL {
                let rendered = render(format, secret);
                assert_eq!(rendered.is_err(), refusing.contains(&format), "{format} of {secret:?}: {rendered:?}");
                assert!(!rendered.is_err_and(|error| error.contains("hid")));
            }
        }
        assert!(render(Json, "hidden\n").expect("carried").contains("hidden\\n"));
        assert!(render(Env, "a'b").expect("carried").contains(r"'a'\''b'"));
        assert!(render(Powershell, "a'b").expect("carried").contains("'a''b'"));
        assert!(render(Fish, r"a'\b").expect("carried").contains(r"'a\'\\b'"));
    }
}
