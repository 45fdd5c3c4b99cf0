//! The shared credentials file: our sections in it, every other byte kept, replaced in one step.
//!
//! For CLIs and for SDKs that read the file anew; most read it once a process, so long-lived applications do better with
//! the endpoint. [Shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    atomic_file::{self, ReplaceError, Replaced},
    clock::Clock,
    observe::metrics::Metrics,
    process::blocking::spawn_blocking,
    shared_file::{SectionUpdate, UpdateError, splice},
    store::{Profile, Store},
};

/// How long after a failure the file is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A credentials file that is kept up to date.
#[derive(Clone)]
pub(crate) struct CredentialsFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its mode.
    pub(crate) mode: u32,
    /// The section, where it is not the profile's name.
    pub(crate) section: Option<String>,
}

/// Why the file does not hold the credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileSinkError {
    /// It cannot be replaced.
    #[error("credentials file not written: {0}")]
    Replace(#[from] ReplaceError),
    /// It cannot carry the credentials.
    #[error("credentials file {path}: {error}")]
    NotCarried {
        /// Where it is.
        path: String,
        /// Why not.
        error: UpdateError,
    },
}

impl CredentialsFile {
    /// Shows that the file can be replaced, before there is anything to write.
    ///
    /// # Errors
    /// Where it cannot.
    pub(crate) async fn probe(&self) -> Result<(), FileSinkError> {
        let Self { path, mode, .. } = self.clone();
        Ok(spawn_blocking(move || atomic_file::probe(&path, mode)).await?)
    }

    /// Writes the store's credentials, but for those that have expired.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) async fn write(&self, store: &Arc<Store>) -> Result<Replaced, FileSinkError> {
        let (file, store) = (self.clone(), Arc::clone(store));
        spawn_blocking(move || file.write_blocking(&store)).await
    }

    /// Writes after every change, and again after a failure, until the task is dropped. Profiles are told once they are in it.
    pub(crate) async fn keep_written(self, store: Arc<Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
        let mut changes = store.changes();
        let mut written = Vec::new();
        loop {
            changes.mark_unchanged();
            let profiles = store.profiles();
            let current: Vec<u64> = profiles.iter().map(|profile| profile.state().generation).collect();
            let mut failed = false;
            if current != written && current.iter().any(|generation| *generation > 0) {
                match self.write(&store).await {
                    Ok(replaced) => {
                        for (profile, _) in profiles.iter().zip(&current).filter(|(_, generation)| **generation > 0) {
                            profile.mark_written();
                        }
                        written = current;
                        // Last, so that who waits for this line finds the rest done.
                        self.log(replaced);
                    }
                    Err(error) => {
                        failed = true;
                        metrics.sink_failed("credentials_file");
                        tracing::error!(%error, retry_after = ?RETRY_AFTER, "credentials file not written");
                    }
                }
            }
            if failed {
                clock.sleep(RETRY_AFTER).await;
            } else if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says so where the file changed.
    pub(crate) fn log(&self, replaced: Replaced) {
        if matches!(replaced, Replaced::Written) {
            tracing::info!(path = %self.path.display(), "credentials file written");
        }
    }

    fn write_blocking(&self, store: &Store) -> Result<Replaced, FileSinkError> {
        let mut refused = None;
        // What is written is looked up under the lock: a writer that waited must not put back what it held before.
        let replaced = atomic_file::replace(&self.path, self.mode, |existing| {
            let now = store.now();
            let profiles = store.profiles();
            let leases: Vec<_> = profiles
                .iter()
                .filter_map(|profile| {
                    // A reader that comes at once can still use what is about to expire.
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
            Ok::<_, ReplaceError>(splice(existing, &updates))
        })?;
        if let Some(error) = refused {
            return Err(FileSinkError::NotCarried { path: self.path.display().to_string(), error });
        }
        Ok(replaced)
    }

    fn section_of<'a>(&'a self, profile: &'a Profile) -> &'a str {
        self.section.as_deref().unwrap_or(profile.name())
    }
}
