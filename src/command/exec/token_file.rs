//! The authorization token of the private endpoint in a file. Some clients, such as object_store, use an endpoint only together with
//! a token file.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::{http::authorization::random_token, settings::environment::Environment};

/// Directories for the file if TMPDIR is not set. The root file system of a container can be read-only, but `/dev/shm` is in memory.
const DEFAULT_DIRECTORIES: [&str; 2] = ["/tmp", "/dev/shm"];

/// A token file in a directory of its own. Both are removed when this value is dropped.
pub(super) struct AuthorizationTokenFile {
    directory: PathBuf,
    path: PathBuf,
}

impl AuthorizationTokenFile {
    /// Writes the file, readable by this user only, to a new directory in TMPDIR.
    ///
    /// # Errors
    /// Returns the path and the error if no file can be written.
    pub(super) fn create(token: &SecretString, env: &dyn Environment) -> Result<Self, (PathBuf, io::Error)> {
        let configured = env.text("TMPDIR").map(PathBuf::from);
        let parents = configured.map_or_else(|| DEFAULT_DIRECTORIES.map(PathBuf::from).to_vec(), |parent| vec![parent]);
        let mut failure = None;
        for parent in parents {
            match Self::create_in(&parent, token) {
                Ok(file) => return Ok(file),
                // Report the first one.
                Err(error) => failure = failure.or(Some((parent, error))),
            }
        }
        Err(failure.unwrap_or_else(|| (PathBuf::new(), io::ErrorKind::NotFound.into())))
    }

    fn create_in(parent: &Path, token: &SecretString) -> io::Result<Self> {
        // The program can change its working directory.
        let directory = std::path::absolute(parent)?.join(format!("credvend-{}", random_token().expose_secret()));
        // Fails if the name exists, so nobody can prepare the directory.
        DirBuilder::new().mode(0o700).create(&directory)?;
        let file = Self { path: directory.join("authorization-token"), directory };
        let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.path)?;
        open.write_all(token.expose_secret().as_bytes())?;
        Ok(file)
    }

    /// Returns the path, if it is text that a variable can hold.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.to_str()
    }
}

impl Drop for AuthorizationTokenFile {
    fn drop(&mut self) {
        let removed = fs::remove_file(&self.path).and_then(|()| fs::remove_dir(&self.directory));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.directory.display(), %error, "token file not removed");
        }
    }
}
