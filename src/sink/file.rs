//! The shared credentials file: `--credentials-file`.
//!
//! Each profile has a section; every other byte of the file stays as it is, and the file is replaced atomically. Suited to CLIs and
//! to SDKs that read the file again. Most SDKs read it once per process, so long-lived applications should use the endpoint.
//! [Shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).

use std::{path::PathBuf, sync::Arc};

use super::{Output, RETRY_AFTER, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask};
use crate::{
    atomic_file::{self, ReplaceError, Replaced},
    process::blocking::spawn_blocking,
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
    shared_file::{Incompatible, SectionUpdate, UpdateError, check_section_name, update_sections},
    store::{Profile, Store},
};

#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct Args {
    /// Shared credentials file to keep up to date [env: CREDVEND_CREDENTIALS_FILE]
    #[arg(long, value_name = "FILE")]
    credentials_file: Option<String>,

    /// Section name in the credentials file [env: CREDVEND_CREDENTIALS_PROFILE] [default: default, or each profile's own name]
    #[arg(long, value_name = "NAME")]
    credentials_profile: Option<String>,
}

/// Keeps a credentials file up to date.
#[derive(Clone)]
struct CredentialsFile {
    path: PathBuf,
    mode: u32,
    /// Section name; if `None`, the name of each profile.
    section: Option<String>,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
enum FileSinkError {
    #[error("credentials file not written: {0}")]
    Replace(#[from] ReplaceError),
    /// The file format cannot represent the credentials.
    #[error("credentials file {path}: {error}")]
    NotRepresentable { path: String, error: UpdateError },
    /// The content of the file does not allow it.
    #[error("credentials file {path}: {error}")]
    Incompatible { path: String, error: Incompatible },
}

/// Returns the sink if a file is configured.
pub(super) fn configure(
    args: &Args,
    settings: &SinkSettings<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<impl Sink + use<>> {
    let path = pick(args.credentials_file.as_ref(), "--credentials-file", env, &["CREDVEND_CREDENTIALS_FILE"]);
    let section =
        pick(args.credentials_profile.as_ref(), "--credentials-profile", env, &["CREDVEND_CREDENTIALS_PROFILE"]);
    if let Some(section) = &section {
        if settings.chains.len() > 1 {
            let profiles = settings.chains.len();
            errors.add(format!("{} names one section, but {profiles} profiles are selected: omit it", section.origin));
        }
        if let Err(error) = check_section_name(&section.text) {
            errors.add(format!("{}: {error}", section.origin));
        }
    } else if path.is_some() {
        for chain in settings.chains {
            if let Err(error) = check_section_name(&chain.profile) {
                errors.add(format!("profile {}: {error} with --credentials-profile", chain.profile));
            }
        }
    }
    path.map(|path| CredentialsFile {
        path: path.text.into(),
        mode: settings.file_mode,
        section: section.map(|section| section.text),
    })
}

impl Sink for CredentialsFile {
    fn output(&self) -> Output {
        Output::File
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            let (file, profiles) = (self.clone(), context.store.profiles());
            let probed = spawn_blocking(move || {
                atomic_file::probe(&file.path, file.mode)?;
                file.check_content(&profiles)
            });
            probed.await.map_err(SinkError::new)?;
            context.store.require_first_write();
            let task: SinkTask = Box::pin(self.clone().keep_written(context.clone()));
            Ok(task)
        })
    }

    fn write<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let replaced = self.write_file(&context.store).await.map_err(SinkError::new)?;
            self.log(replaced);
            Ok(())
        })
    }
}

impl CredentialsFile {
    /// Writes the file after every change in the store, and again after a failure, until the process stops.
    async fn keep_written(self, context: SinkContext) {
        context.until_stopped(self.write_changes(&context)).await;
    }

    async fn write_changes(&self, context: &SinkContext) {
        let mut changes = context.store.changes();
        let mut written = Vec::new();
        loop {
            changes.mark_unchanged();
            let profiles = context.store.profiles();
            let current: Vec<u64> = profiles.iter().map(|profile| profile.state().generation).collect();
            let mut failed = false;
            if current != written && current.iter().any(|generation| *generation > 0) {
                match self.write_file(&context.store).await {
                    Ok(replaced) => {
                        for (profile, _) in profiles.iter().zip(&current).filter(|(_, generation)| **generation > 0) {
                            profile.mark_written();
                        }
                        written = current;
                        // Last, so that the profiles are ready when this line appears.
                        self.log(replaced);
                    }
                    Err(error) => {
                        failed = true;
                        profiles.iter().for_each(|profile| profile.mark_unwritten());
                        context.metrics.sink_failed("credentials_file");
                        tracing::error!(%error, retry_after = ?RETRY_AFTER, "credentials file not written");
                    }
                }
            }
            if failed {
                context.clock.sleep(RETRY_AFTER).await;
            } else if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn log(&self, replaced: Replaced) {
        if matches!(replaced, Replaced::Written) {
            tracing::info!(path = %self.path.display(), "credentials file written");
        }
    }

    /// Writes the store's credentials that have not expired.
    async fn write_file(&self, store: &Arc<Store>) -> Result<Replaced, FileSinkError> {
        let (file, store) = (self.clone(), Arc::clone(store));
        spawn_blocking(move || file.write_blocking(&store)).await
    }

    fn write_blocking(&self, store: &Store) -> Result<Replaced, FileSinkError> {
        let mut refused = None;
        // Read the store under the lock: a writer that waited for the lock must not write credentials that are outdated by now.
        let replaced = atomic_file::replace(&self.path, self.mode, |existing| {
            let now = store.now();
            let profiles = store.profiles();
            let leases: Vec<_> = profiles
                .iter()
                .filter_map(|profile| {
                    // Unlike the endpoint, write credentials up to their expiry: a program that starts now can still use them.
                    let lease = profile.state().lease.filter(|lease| !lease.window.remaining(now).is_zero())?;
                    let expiry = lease.credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
                    Some((self.section_of(profile).to_owned(), lease, expiry))
                })
                .collect();
            let mut updates = Vec::with_capacity(leases.len());
            for (section, lease, expiry) in &leases {
                let credentials = &lease.credentials;
                match SectionUpdate::new(
                    section,
                    credentials.access_key_id(),
                    credentials.expose_secret_access_key(),
                    credentials.expose_session_token(),
                    expiry,
                ) {
                    Ok(update) => updates.push(update),
                    Err(error) => refused = Some(error),
                }
            }
            update_sections(existing, &updates).map_err(|error| self.incompatible(error))
        })?;
        if let Some(error) = refused {
            return Err(self.not_representable(error));
        }
        Ok(replaced)
    }

    /// Checks that the content of an existing file allows the sections of `profiles`, and changes nothing.
    fn check_content(&self, profiles: &[Arc<Profile>]) -> Result<(), FileSinkError> {
        if !self.path.exists() {
            return Ok(());
        }
        let updates = profiles.iter().map(|profile| SectionUpdate::placeholder(self.section_of(profile)));
        let updates = updates.collect::<Result<Vec<_>, _>>().map_err(|error| self.not_representable(error))?;
        atomic_file::replace(&self.path, self.mode, |existing| {
            update_sections(existing, &updates).map_err(|error| self.incompatible(error))?;
            Ok::<_, FileSinkError>(existing.to_vec())
        })?;
        Ok(())
    }

    fn not_representable(&self, error: UpdateError) -> FileSinkError {
        FileSinkError::NotRepresentable { path: self.path.display().to_string(), error }
    }

    fn incompatible(&self, error: Incompatible) -> FileSinkError {
        FileSinkError::Incompatible { path: self.path.display().to_string(), error }
    }

    fn section_of<'a>(&'a self, profile: &'a Profile) -> &'a str {
        self.section.as_deref().unwrap_or(profile.name())
    }
}
