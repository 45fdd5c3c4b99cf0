//! The shared credentials file: `--credentials-file`.
//!
//! Each profile has a section; every other byte of the file stays as it is, and the file is replaced atomically. Suited to CLIs and
//! to SDKs that read the file again. Most SDKs read it once per process, so long-lived applications should use the endpoint.
//! [Shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Output, RETRY_AFTER, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask};
use crate::{
    atomic_file::{self, ReplaceError, Replaced},
    process::blocking::spawn_blocking,
    schedule::window::Window,
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
    shared_file::{
        ClearedSection, Incompatible, SectionUpdate, UpdateError, check_compatibility, check_section_name, clear,
        concerns, has_section, splice, update_sections,
    },
    store::{Profile, ProfileState, Store},
};

/// The name of the sink in metrics.
const NAME: &str = "credentials_file";

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
    /// The sections that this process wrote, each with whether it created the section.
    sections: Arc<Mutex<BTreeMap<String, bool>>>,
    /// The reasons of the last warning.
    concerns: Arc<Mutex<Vec<String>>>,
}

/// What one write did.
#[derive(Default)]
struct Outcome {
    /// The written profiles, each with the window and the generation of its credentials.
    written: Vec<(Arc<Profile>, Window, u64)>,
    /// The written sections, each with whether it was created.
    sections: Vec<(String, bool)>,
    removed: Vec<(String, bool)>,
    refused: Option<UpdateError>,
    /// Reasons why programs will not use the credentials.
    concerns: Vec<String>,
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
        sections: Arc::default(),
        concerns: Arc::default(),
    })
}

impl Sink for CredentialsFile {
    fn output(&self) -> Output {
        Output::File
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            let (file, profiles) = (self.clone(), context.store.profiles());
            spawn_blocking(move || file.probe(&profiles)).await.map_err(SinkError::new)?;
            context.store.require_first_write();
            context.metrics.sink_opened(NAME);
            let task: SinkTask = Box::pin(self.clone().keep_written(context.clone()));
            Ok(task)
        })
    }

    fn write<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let replaced = self.write_file(context).await.map_err(SinkError::new)?;
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
            let has_credentials = current.iter().any(|generation| *generation > 0);
            if current != written && (has_credentials || !self.removed(&profiles).is_empty()) {
                match self.write_file(context).await {
                    Ok(replaced) => {
                        written = current;
                        if matches!(replaced, Replaced::Written) {
                            context.metrics.sink_written(NAME);
                        }
                        // Last, so that the profiles are ready when this line appears.
                        self.log(replaced);
                    }
                    Err(error) => {
                        failed = true;
                        profiles.iter().for_each(|profile| profile.mark_unwritten());
                        context.metrics.sink_failed(NAME);
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

    /// Writes the store's credentials that have not expired, and removes those of profiles that are gone.
    async fn write_file(&self, context: &SinkContext) -> Result<Replaced, FileSinkError> {
        let (file, store, lock_timeout) = (self.clone(), Arc::clone(&context.store), context.lock_timeout);
        spawn_blocking(move || file.write_blocking(&store, lock_timeout)).await
    }

    fn write_blocking(&self, store: &Store, lock_timeout: Duration) -> Result<Replaced, FileSinkError> {
        let mut outcome = Outcome::default();
        // Read the store under the lock: a writer that waited for the lock must not write credentials that are outdated by now.
        let replaced = atomic_file::edit_shared(&self.path, self.mode, lock_timeout, |existing| {
            outcome = Outcome::default();
            let now = store.now();
            let profiles = store.profiles();
            let leases: Vec<_> = profiles
                .iter()
                .filter_map(|profile| {
                    // Unlike the endpoint, write credentials up to their expiry: a program that starts now can still use them.
                    let ProfileState { lease, generation, .. } = profile.state();
                    let lease = lease.filter(|lease| !lease.window.remaining(now).is_zero())?;
                    let expiry = lease.credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default();
                    Some((profile, lease, generation, expiry))
                })
                .collect();
            let mut updates = Vec::with_capacity(leases.len());
            for (profile, lease, generation, expiry) in &leases {
                let (section, credentials) = (self.section_of(profile), &lease.credentials);
                match SectionUpdate::new(
                    section,
                    credentials.access_key_id(),
                    credentials.expose_secret_access_key(),
                    credentials.expose_session_token(),
                    expiry,
                ) {
                    Ok(update) => {
                        updates.push(update);
                        outcome.sections.push((section.to_owned(), !has_section(existing, section)));
                        outcome.written.push((Arc::clone(profile), lease.window, *generation));
                    }
                    Err(error) => outcome.refused = Some(error),
                }
            }
            outcome.removed = self.removed(&profiles);
            let removed = outcome.removed.iter();
            let cleared: Vec<_> =
                removed.map(|(name, is_created)| ClearedSection { name, is_created: *is_created }).collect();
            let names: Vec<_> = cleared.iter().map(|section| section.name).collect();
            let spliced = splice(&clear(existing, &cleared), &updates);
            check_compatibility(existing, &spliced, &updates, &names).map_err(|error| self.incompatible(error))?;
            outcome.concerns = concerns(&spliced, outcome.sections.iter().map(|(section, _)| section.as_str()));
            Ok::<_, FileSinkError>(spliced)
        })?;
        self.record(&outcome, store);
        self.warn(outcome.concerns);
        match outcome.refused {
            Some(error) => Err(self.not_representable(error)),
            None => Ok(replaced),
        }
    }

    /// Returns the sections that this process wrote for profiles that are gone, each with whether it created the section.
    fn removed(&self, profiles: &[Arc<Profile>]) -> Vec<(String, bool)> {
        let is_current = |section: &str| profiles.iter().any(|profile| self.section_of(profile) == section);
        let sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        sections.iter().filter(|(name, _)| !is_current(name)).map(|(name, created)| (name.clone(), *created)).collect()
    }

    fn record(&self, outcome: &Outcome, store: &Store) {
        let mut sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, _) in &outcome.removed {
            sections.remove(name);
        }
        for (name, is_created) in &outcome.sections {
            sections.entry(name.clone()).or_insert(*is_created);
        }
        for (profile, window, generation) in &outcome.written {
            store.mark_written(profile, *window, *generation);
        }
    }

    /// Checks that the file can be written, and that the content of an existing file allows the sections of `profiles`. Changes
    /// no content.
    fn probe(&self, profiles: &[Arc<Profile>]) -> Result<(), FileSinkError> {
        let updates = profiles.iter().map(|profile| SectionUpdate::placeholder(self.section_of(profile)));
        let updates = updates.collect::<Result<Vec<_>, _>>().map_err(|error| self.not_representable(error))?;
        let sections = profiles.iter().map(|profile| self.section_of(profile));
        atomic_file::probe(&self.path, self.mode, |existing| {
            let updated = update_sections(existing, &updates).map_err(|error| self.incompatible(error))?;
            self.warn(concerns(&updated, sections));
            Ok(())
        })
    }

    /// Logs why programs will not use the credentials, unless the last warning gave the same reasons.
    fn warn(&self, concerns: Vec<String>) {
        let mut warned = self.concerns.lock().unwrap_or_else(PoisonError::into_inner);
        for concern in concerns.iter().filter(|concern| !warned.contains(concern)) {
            tracing::warn!(path = %self.path.display(), "credentials file: {concern}");
        }
        *warned = concerns;
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
