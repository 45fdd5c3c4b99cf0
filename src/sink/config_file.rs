//! An AWS config file whose profiles get their credentials from the endpoint by `credential_process`: `--config-file`.
//!
//! For long-lived applications whose SDK reads files only: most SDKs read keys from a file once, but run a `credential_process`
//! again when its credentials expire. The file holds no secret and changes only with the profiles. It belongs to credvend as a
//! whole: a file that credvend did not write is never replaced.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ini::{Ini, LineSeparator, WriteOption};

use super::{
    Output, RETRY_AFTER, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask, endpoint::CREDENTIALS_PATH,
};
use crate::{
    arn::Region,
    atomic_file::{ReplaceError, Replaced, replace_within},
    http::{authorization::TokenLocation, loopback},
    process::blocking::spawn_blocking,
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
};

/// The first line of every file that credvend writes.
const MARK: &str = "# Written by credvend run, which replaces it as a whole.";

/// Timeout of the written command: shorter than that of any SDK (a minute in Go), so that its error message is reported.
const TIMEOUT: &str = "20s";

/// Maximum time to wait for the lock, which can be short because the file belongs to credvend.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of the sink in metrics.
const NAME: &str = "config_file";

/// The profiles in the file, each with its region.
type Profiles = Vec<(String, Option<Region>)>;

#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct Args {
    /// AWS config file to write, whose profiles get their credentials from this process by credential_process [env: CREDVEND_CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    config_file: Option<String>,

    /// Path of the credvend binary for the readers of the config file [env: CREDVEND_CONFIG_FILE_BINARY] [default: this binary]
    #[arg(long, value_name = "FILE")]
    config_file_binary: Option<String>,
}

/// Writes a config file whenever the profiles change.
#[derive(Clone, Debug)]
struct ConfigFile {
    path: PathBuf,
    mode: u32,
    /// Path of the binary for the readers; if `None`, that of this process.
    binary: Option<PathBuf>,
    /// Address of the endpoint, if the endpoint is not open (`run --once`).
    endpoint: SocketAddr,
    /// Location of the authorization tokens for the readers.
    tokens: TokenLocation,
    /// The profiles of the last successful write.
    written: Arc<Mutex<Profiles>>,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
enum ConfigFileError {
    #[error("config file not written: {0}")]
    Replace(#[from] ReplaceError),
    #[error("config file {0}: it exists and credvend did not write it; name another file with --config-file")]
    Foreign(String),
    /// SDKs split the command by different rules, which agree only if no character needs quoting.
    #[error(
        "config file {0}: {1} contains a character that needs quoting in credential_process; choose a plainer path"
    )]
    NeedsQuoting(String, String),
    #[error("path of this binary: {0}; name it with --config-file-binary")]
    Binary(std::io::ErrorKind),
}

/// Returns the sink if a file is configured.
pub(super) fn configure(
    args: &Args,
    settings: &SinkSettings<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<impl Sink + use<>> {
    let path = pick(args.config_file.as_ref(), "--config-file", env, &["CREDVEND_CONFIG_FILE"])?;
    let binary = pick(args.config_file_binary.as_ref(), "--config-file-binary", env, &["CREDVEND_CONFIG_FILE_BINARY"]);
    let Some(endpoint) = settings.listeners.credentials.first() else {
        errors.add("--config-file refers its readers to the endpoint: give --listen an address");
        return None;
    };
    Some(ConfigFile {
        path: path.text.into(),
        mode: settings.file_mode,
        binary: binary.map(|binary| binary.text.into()),
        endpoint: *endpoint,
        tokens: settings.tokens.clone(),
        written: Arc::default(),
    })
}

impl Sink for ConfigFile {
    fn output(&self) -> Output {
        Output::Reference
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            context.metrics.sink_opened(NAME);
            // Before the first credentials, so that a reader that waits for them finds the file.
            self.write_file(context).await.map_err(SinkError::new)?;
            let task: SinkTask = Box::pin(self.clone().keep_written(context.clone()));
            Ok(task)
        })
    }

    fn reload<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async move { self.write_file(context).await.map_err(SinkError::new) })
    }
}

impl ConfigFile {
    /// Writes the file again whenever the profiles differ from those in it, until the process stops: after a change that
    /// [`Sink::reload`] could not write.
    async fn keep_written(self, context: SinkContext) {
        context.until_stopped(self.write_changes(&context)).await;
    }

    async fn write_changes(&self, context: &SinkContext) {
        let mut changes = context.store.changes();
        loop {
            changes.mark_unchanged();
            if profiles(context) == *self.written() {
                if changes.changed().await.is_err() {
                    return;
                }
            } else if let Err(error) = self.write_file(context).await {
                context.metrics.sink_failed(NAME);
                tracing::error!(%error, retry_after = ?RETRY_AFTER, "config file not written");
                context.clock.sleep(RETRY_AFTER).await;
            } else {
                tracing::info!(path = %self.path.display(), "config file written");
            }
        }
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Profiles> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a section for each profile in the store: its command, and its region if known.
    async fn write_file(&self, context: &SinkContext) -> Result<(), ConfigFileError> {
        let profiles = profiles(context);
        let endpoint = loopback::reachable(context.endpoint.get().copied().unwrap_or(self.endpoint));
        let mut file = Ini::new();
        for (name, region) in &profiles {
            let command = self.command(&format!("http://{endpoint}{CREDENTIALS_PATH}"), name)?;
            let section = match name.as_str() {
                "default" => "default".to_owned(),
                name => format!("profile {name}"),
            };
            let mut section = file.with_section(Some(section));
            section.set("credential_process", command);
            if let Some(region) = region {
                section.set("region", region.as_str());
            }
        }
        let options = WriteOption { line_separator: LineSeparator::CR, kv_separator: " = ", ..WriteOption::default() };
        let mut text = format!("{MARK}\n").into_bytes();
        // Writing to memory cannot fail.
        let _ = file.write_to_opt(&mut text, options);

        let Self { path, mode, .. } = self.clone();
        let replaced = spawn_blocking(move || {
            // Nobody else writes the file, so the lock only keeps two processes from writing it in turns.
            replace_within(&path, mode, LOCK_TIMEOUT, |existing| {
                let is_own = existing.is_empty() || existing.starts_with(MARK.as_bytes());
                is_own.then_some(&text).ok_or_else(|| ConfigFileError::Foreign(path.display().to_string()))
            })
        })
        .await?;
        if matches!(replaced, Replaced::Written) {
            context.metrics.sink_written(NAME);
        }
        *self.written() = profiles;
        Ok(())
    }

    /// Returns the command of a profile.
    fn command(&self, url: &str, profile: &str) -> Result<String, ConfigFileError> {
        let binary = match &self.binary {
            Some(binary) => absolute(binary),
            None => std::env::current_exe().map_err(|error| ConfigFileError::Binary(error.kind()))?,
        };
        let mut words = vec![binary.display().to_string(), "process".into(), "--from-endpoint".into()];
        words.push(format!("{url}/{}", percent_encode(profile)));
        words.extend(["--timeout".into(), TIMEOUT.into()]);
        let token = match &self.tokens {
            TokenLocation::Open | TokenLocation::Memory => None,
            TokenLocation::File(path) => Some(absolute(path)),
            TokenLocation::Directory(path) => Some(absolute(path).join(profile)),
        };
        if let Some(token) = token {
            words.extend(["--auth-token-file".into(), token.display().to_string()]);
        }
        match words.iter().find(|word| !word.bytes().all(needs_no_quoting)) {
            Some(word) => Err(ConfigFileError::NeedsQuoting(self.path.display().to_string(), word.clone())),
            None => Ok(words.join(" ")),
        }
    }
}

fn profiles(context: &SinkContext) -> Profiles {
    let profiles = context.store.profiles();
    profiles.iter().map(|profile| (profile.name().to_owned(), profile.region().cloned())).collect()
}

/// Readers of the file run in other directories.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns true for bytes that a shell, Python's shlex and a splitter at blanks all read as themselves.
fn needs_no_quoting(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-:@%+=,[]".contains(&byte)
}

fn percent_encode(name: &str) -> String {
    const SEGMENT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(name, SEGMENT).to_string()
}
