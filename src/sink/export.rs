//! The formats of `credvend export`.
//!
//! A format that cannot represent a value rejects it, so that a reader always gets exactly the values that STS issued.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    arn::Region,
    credentials::Credentials,
    shared_file::{SectionUpdate, UpdateError, splice},
    sink::credential_process,
};

/// The length of the longest escape sequence, that of a quote for a POSIX shell.
const LONGEST_ESCAPE: usize = 4;
/// More than a line has beside the value, and more than the lines that unset stale variables have.
const LINE_OVERHEAD: usize = 128;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `export NAME='…'` lines, for a POSIX shell to evaluate, after `unset NAME;` lines for stale inherited variables.
    Env,
    /// `NAME=…` lines that a POSIX shell also reads as words: `export $(credvend export --format env-no-export)`.
    EnvNoExport,
    /// `NAME='…'` lines, for the env files of Kubernetes 1.35 and later
    /// ([KEP-3721](https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/3721-support-for-env-files)).
    Dotenv,
    /// Unquoted `NAME=…` lines, for `docker run --env-file` and the env files of Kubernetes 1.34.
    Docker,
    /// `set -gx NAME '…';` lines, for fish to source, after `set -e NAME;` lines for stale variables.
    Fish,
    /// `$Env:NAME = '…';` lines, for PowerShell to evaluate, after `Remove-Item` lines for stale variables.
    Powershell,
    /// `set NAME=…` lines, for a batch file of the Windows command prompt, after `set NAME=` lines for stale variables.
    WindowsCmd,
    /// The JSON document of a `credential_process`.
    Json,
    /// A section of the shared credentials file.
    Credentials,
}

/// A format cannot represent the credentials. The message names the field and never shows its value.
#[derive(Debug, thiserror::Error)]
#[error("the format {format} cannot represent {field}; use --format json")]
pub(crate) struct NotRepresentable {
    field: String,
    format: Format,
}

impl NotRepresentable {
    fn character(field: &str, format: Format) -> Self {
        Self { field: format!("a character of {field}"), format }
    }
}

/// Credentials to export.
#[derive(Clone, Copy)]
pub(crate) struct Exported<'a> {
    pub(crate) credentials: &'a Credentials,
    /// Region to pass to applications, if known.
    pub(crate) region: Option<&'a Region>,
    pub(crate) profile: &'a str,
    /// Returns true if the reader inherits the given environment variable.
    pub(crate) inherits: &'a dyn Fn(&str) -> bool,
}

impl Format {
    /// All formats.
    pub(crate) const ALL: [Self; 9] = [
        Self::Env,
        Self::EnvNoExport,
        Self::Dotenv,
        Self::Docker,
        Self::Fish,
        Self::Powershell,
        Self::WindowsCmd,
        Self::Json,
        Self::Credentials,
    ];

    /// Returns the format with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::EnvNoExport => "env-no-export",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::WindowsCmd => "windows-cmd",
            Self::Json => "json",
            Self::Credentials => "credentials",
        }
    }

    /// Renders the credentials.
    ///
    /// # Errors
    /// Returns an error if the format cannot represent a value.
    pub(crate) fn render(self, exported: Exported<'_>) -> Result<Zeroizing<String>, NotRepresentable> {
        match self {
            Self::Json => Ok(credential_process::document(exported.credentials)),
            Self::Credentials => section(exported),
            _ => {
                let expiry = exported.credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
                let variables = variables(exported, &expiry);
                // Enough for everything: a buffer that grows leaves unwiped copies behind.
                let escaped = |value: &str| value.matches('\'').count() + value.matches('\\').count();
                let length = |value: &str| value.len() + LONGEST_ESCAPE * escaped(value) + LINE_OVERHEAD;
                let capacity = variables.iter().map(|(_, value)| length(value)).sum::<usize>();
                let mut text = Zeroizing::new(String::with_capacity(capacity));
                for line in stale(exported).filter_map(|name| self.unset_line(name, exported.inherits)) {
                    text.push_str(&line);
                    text.push('\n');
                }
                for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
                    self.write_line(&mut text, name, value).ok_or_else(|| NotRepresentable::character(name, self))?;
                }
                debug_assert!(text.len() <= capacity, "{} > {capacity}", text.len());
                Ok(text)
            }
        }
    }

    /// Returns the line that unsets a variable, or `None` if the format has no such line or there is nothing to unset.
    fn unset_line(self, name: &str, inherits: &dyn Fn(&str) -> bool) -> Option<String> {
        match self {
            // Only where needed: some readers parse these lines without a shell and expect nothing but assignments.
            // The semicolon separates the lines where a shell joins them: `eval $(credvend export)` without quotes.
            Self::Env => inherits(name).then(|| format!("unset {name};")),
            Self::Fish => Some(format!("set -e {name};")),
            Self::Powershell => Some(format!("Remove-Item Env:{name} -ErrorAction Ignore;")),
            Self::WindowsCmd => Some(format!("set {name}=")),
            Self::EnvNoExport | Self::Dotenv | Self::Docker | Self::Json | Self::Credentials => None,
        }
    }

    /// Writes the line that sets a variable. Returns `None` if the format cannot represent the value.
    fn write_line(self, text: &mut String, name: &str, value: &str) -> Option<()> {
        // Bytes are faster than characters. Most values are ASCII.
        if value.bytes().any(|byte| byte.is_ascii_control()) || !value.is_ascii() && value.chars().any(char::is_control)
        {
            return None;
        }
        let (before, escapes, after): ([&str; 3], &[(char, &str)], &str) = match self {
            Self::Env => (["export ", name, "='"], &[('\'', r"'\''")], "'\n"),
            Self::Fish => (["set -gx ", name, " '"], &[('\\', r"\\"), ('\'', r"\'")], "';\n"),
            // PowerShell treats typographic quotes as quotes.
            Self::Powershell if value.is_ascii() => (["$Env:", name, " = '"], &[('\'', "''")], "';\n"),
            // Neither format has an escape character. A quote would end a dotenv value; Docker trims blanks and joins a line that
            // ends with a backslash to the next one.
            Self::Dotenv if !value.contains('\'') => (["", name, "='"], &[], "'\n"),
            Self::Docker if value.trim() == value && !value.ends_with('\\') => (["", name, "="], &[], "\n"),
            Self::EnvNoExport if value.chars().all(is_plain) => (["", name, "="], &[], "\n"),
            Self::WindowsCmd if value.chars().all(is_plain) => (["set ", name, "="], &[], "\n"),
            _ => return None,
        };
        text.extend(before);
        push_escaped(text, value, escapes);
        text.push_str(after);
        Some(())
    }
}

/// Appends `value` with each character of `escapes` replaced.
fn push_escaped(text: &mut String, value: &str, escapes: &[(char, &str)]) {
    let Some(((escaped, escape), others)) = escapes.split_first() else { return text.push_str(value) };
    for (number, piece) in value.split(*escaped).enumerate() {
        if number > 0 {
            text.push_str(escape);
        }
        push_escaped(text, piece, others);
    }
}

/// Returns true for characters without a meaning in a POSIX shell and in the Windows command prompt. Access keys, tokens, times and
/// regions consist of these.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_-.:,@".contains(c)
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns the variables of other credentials that SDKs would combine with these. botocore reads the old `AWS_SECURITY_TOKEN`
/// before `AWS_SESSION_TOKEN`.
fn stale(exported: Exported<'_>) -> impl Iterator<Item = &'static str> {
    let credentials = exported.credentials;
    [
        ("AWS_SECURITY_TOKEN", true),
        ("AWS_SESSION_TOKEN", credentials.expose_session_token().is_empty()),
        ("AWS_CREDENTIAL_EXPIRATION", credentials.expiry().is_none()),
    ]
    .into_iter()
    .filter_map(|(name, is_stale)| is_stale.then_some(name))
}

/// Returns the variables that SDKs read. Empty ones are to be omitted, since Kubernetes treats an empty value as missing.
fn variables<'a>(exported: Exported<'a>, expiry: &'a str) -> [(&'static str, &'a str); 6] {
    let Exported { credentials, region, .. } = exported;
    let region = region.map_or("", Region::as_str);
    [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.expose_secret_access_key()),
        ("AWS_SESSION_TOKEN", credentials.expose_session_token()),
        ("AWS_CREDENTIAL_EXPIRATION", expiry),
        // botocore reads AWS_DEFAULT_REGION, most other SDKs read AWS_REGION.
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
    ]
}

fn section(exported: Exported<'_>) -> Result<Zeroizing<String>, NotRepresentable> {
    let not_representable =
        || NotRepresentable::character("the profile's name or its credentials", Format::Credentials);
    let Exported { credentials, profile, .. } = exported;
    let expiry = credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
    let update = SectionUpdate::new(
        profile,
        credentials.access_key_id(),
        credentials.expose_secret_access_key(),
        credentials.expose_session_token(),
        &expiry,
    );
    let update = update.map_err(|error| match error {
        UpdateError::DefaultSection => NotRepresentable {
            field: "a section DEFAULT, whose keys botocore applies to every profile".into(),
            format: Format::Credentials,
        },
        _ => not_representable(),
    })?;
    let mut bytes = splice(b"", &[update]);
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| not_representable())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Expiry;

    fn render(format: Format, secret: &str) -> Result<String, String> {
        let expiry = Expiry::parse("2026-11-21T10:00:00Z");
        let credentials = Credentials::of_source("AKIA".into(), secret.into(), Some("t/+=".into()), expiry, None);
        let exported = Exported { credentials: &credentials, region: None, profile: "default", inherits: &|_| false };
        format.render(exported).map(|text| text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_format_represents_a_plain_key() {
        for (format, line) in [
            (Format::Env, "export AWS_SECRET_ACCESS_KEY='a/b+c'\n"),
            (Format::EnvNoExport, "AWS_SECRET_ACCESS_KEY=a/b+c\n"),
            (Format::Dotenv, "AWS_SECRET_ACCESS_KEY='a/b+c'\n"),
            (Format::Docker, "AWS_SECRET_ACCESS_KEY=a/b+c\n"),
            (Format::Fish, "set -gx AWS_SECRET_ACCESS_KEY 'a/b+c';\n"),
            (Format::Powershell, "$Env:AWS_SECRET_ACCESS_KEY = 'a/b+c';\n"),
            (Format::WindowsCmd, "set AWS_SECRET_ACCESS_KEY=a/b+c\n"),
            (Format::Json, "\"SecretAccessKey\":\"a/b+c\""),
            (Format::Credentials, "aws_secret_access_key = a/b+c\n"),
        ] {
            let text = render(format, "a/b+c").expect("represented");
            assert!(text.contains(line), "{text}");
            assert!(!text.contains("REGION"), "an unknown region is omitted");
        }
    }

    #[test]
    fn stale_variables_are_unset_first() {
        use Format::{Docker, Dotenv, Env, EnvNoExport, Fish, Powershell, WindowsCmd};
        let temporary = |expiry: &str| {
            Credentials::of_source("AKIA".into(), "secret".into(), Some("token".into()), Expiry::parse(expiry), None)
        };
        let unset = |format: Format, expiry: &str, inherits: &dyn Fn(&str) -> bool| {
            let exported = Exported { credentials: &temporary(expiry), region: None, profile: "default", inherits };
            let text = format.render(exported).expect("represented").to_string();
            let before = text.lines().take_while(|line| !line.contains("AWS_ACCESS_KEY_ID"));
            before.map(str::to_owned).collect::<Vec<_>>()
        };
        let dated = "2026-11-21T10:00:00Z";
        for (format, lines) in [
            (Env, ["unset AWS_SECURITY_TOKEN;", "unset AWS_CREDENTIAL_EXPIRATION;"]),
            (Fish, ["set -e AWS_SECURITY_TOKEN;", "set -e AWS_CREDENTIAL_EXPIRATION;"]),
            (WindowsCmd, ["set AWS_SECURITY_TOKEN=", "set AWS_CREDENTIAL_EXPIRATION="]),
            (
                Powershell,
                [
                    "Remove-Item Env:AWS_SECURITY_TOKEN -ErrorAction Ignore;",
                    "Remove-Item Env:AWS_CREDENTIAL_EXPIRATION -ErrorAction Ignore;",
                ],
            ),
        ] {
            assert_eq!(unset(format, dated, &|_| true), lines[..1]);
            assert_eq!(unset(format, "", &|_| true), lines);
        }
        assert_eq!(unset(Env, "", &|_| false), [""; 0], "nothing is stale in a clean environment");
        for format in [EnvNoExport, Dotenv, Docker] {
            assert_eq!(unset(format, "", &|_| true), [""; 0], "{format} has no such line");
        }
    }

    #[test]
    fn a_value_that_a_format_cannot_represent_is_rejected_and_not_shown() {
        use Format::{Credentials, Docker, Dotenv, Env, EnvNoExport, Fish, Json, Powershell, WindowsCmd};
        for (secret, refusing) in [
            ("hid'den", &[EnvNoExport, Dotenv, WindowsCmd][..]),
            ("hidden\n", &[Env, EnvNoExport, Dotenv, Docker, Fish, Powershell, WindowsCmd, Credentials]),
            ("hidden\\", &[EnvNoExport, Docker, WindowsCmd]),
            ("hidden ", &[EnvNoExport, Docker, WindowsCmd, Credentials]),
            ("hid’den", &[EnvNoExport, Powershell, WindowsCmd]),
            ("hid%den", &[EnvNoExport, WindowsCmd]),
            ("hid&den", &[EnvNoExport, WindowsCmd]),
            ("hid$den", &[EnvNoExport, WindowsCmd]),
            ("hid*den", &[EnvNoExport, WindowsCmd]),
        ] {
            for format in Format::ALL {
                let rendered = render(format, secret);
                assert_eq!(rendered.is_err(), refusing.contains(&format), "{format} of {secret:?}: {rendered:?}");
                assert!(!rendered.is_err_and(|error| error.contains("hid")));
            }
        }
        assert!(render(Json, "hidden\n").expect("represented").contains("hidden\\n"));
        assert!(render(Env, "a'b").expect("represented").contains(r"'a'\''b'"));
        assert!(render(Powershell, "a'b").expect("represented").contains("'a''b'"));
        assert!(render(Fish, r"a'\b").expect("represented").contains(r"'a\'\\b'"));
    }
}
