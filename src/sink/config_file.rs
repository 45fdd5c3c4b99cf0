//! An AWS config file whose profiles ask this process for credentials, through `credential_process`.
//!
//! For long-lived applications that read files alone: most SDKs read keys in a file once and never again, but run a
//! `credential_process` anew whenever what it gave expires. The file names no secret and changes only with the profiles. It is
//! ours as a whole: one that somebody else wrote is never replaced.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).

use std::path::PathBuf;

use ini::{Ini, LineSeparator, WriteOption};

use crate::{
    arn::Region,
    atomic_file::{ReplaceError, replace},
    process::blocking::spawn_blocking,
};

/// The first line of every file of ours.
const MARK: &str = "# Written by credvend run, which replaces it as a whole.";

/// What readers wait for an endpoint that is not there: less than any SDK gives a `credential_process` (a minute in Go), so that
/// its reason is heard.
const TIMEOUT: &str = "20s";

/// A config file that is kept up to date.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its mode.
    pub(crate) mode: u32,
    /// The binary as its readers find it.
    pub(crate) binary: PathBuf,
    /// The URL of the endpoint, up to the profile's name.
    pub(crate) url: String,
    /// Where readers find the authorization token, where one is required.
    pub(crate) token: Option<Token>,
}

/// An authorization token's place.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// One file for every profile.
    File(PathBuf),
    /// A file named like the profile in this directory.
    Directory(PathBuf),
}

/// Why the file is not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    /// It cannot be replaced.
    #[error("config file not written: {0}")]
    Replace(#[from] ReplaceError),
    /// It is somebody else's.
    #[error("config file {0}: it exists and credvend did not write it; name another file with --config-file")]
    NotOurs(String),
    /// SDKs split the line by different rules, which agree only where there is nothing to quote.
    #[error("config file {0}: {1} holds a character that needs quoting in credential_process; choose a plainer path")]
    NotPlain(String, String),
}

impl ConfigFile {
    /// Writes a section for each of these profiles: its name, and the region that applications are told.
    ///
    /// # Errors
    /// Where that is not possible.
    pub(crate) async fn write<'a>(
        &self,
        profiles: impl Iterator<Item = (&'a str, Option<&'a Region>)>,
    ) -> Result<(), ConfigFileError> {
        let shown = || self.path.display().to_string();
        let mut text = format!("{MARK}\n").into_bytes();
        let mut file = Ini::new();
        for (name, region) in profiles {
            let mut words = vec![self.binary.display().to_string(), "process".into(), "--from-endpoint".into()];
            words.push(format!("{}/{}", self.url, percent_encode(name)));
            words.extend(["--timeout".into(), TIMEOUT.into()]);
            match &self.token {
                None => {}
                Some(Token::File(path)) => words.extend(["--auth-token-file".into(), path.display().to_string()]),
                Some(Token::Directory(path)) => {
                    words.extend(["--auth-token-file".into(), path.join(name).display().to_string()]);
                }
            }
            if let Some(word) = words.iter().find(|word| !word.bytes().all(is_plain)) {
                return Err(ConfigFileError::NotPlain(shown(), word.clone()));
            }
            let section = match name {
                "default" => "default".to_owned(),
                name => format!("profile {name}"),
            };
            let mut section = file.with_section(Some(section));
            let mut section = section.set("credential_process", words.join(" "));
            if let Some(region) = region {
                section = section.set("region", region.as_str());
            }
            let _ = section;
        }
        let options = WriteOption { line_separator: LineSeparator::CR, kv_separator: " = ", ..WriteOption::default() };
        // Writing to memory cannot fail.
        let _ = file.write_to_opt(&mut text, options);

        let file = self.clone();
        spawn_blocking(move || {
            replace(&file.path, file.mode, |existing| {
                let is_ours = existing.is_empty() || existing.starts_with(MARK.as_bytes());
                is_ours.then_some(text).ok_or_else(|| ConfigFileError::NotOurs(file.path.display().to_string()))
            })
        })
        .await?;
        Ok(())
    }
}

/// What neither a shell nor Python's shlex, nor a splitter at blanks, takes for anything but itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-:@%+=,[]".contains(&byte)
}

fn percent_encode(name: &str) -> String {
    const SEGMENT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(name, SEGMENT).to_string()
}
