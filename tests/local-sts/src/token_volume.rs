//! A projected service account token volume, with the layout and the update procedure of the kubelet.
//!
//! ```text
//! token   -> ..data/token
//! ..data  -> ..2026_11_22_00_10_33.1234567890      an update replaces this link with one rename
//! ..2026_11_22_00_10_33.1234567890/token           the old directory is removed after the rename
//! ```
//!
//! <https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken>

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{clock, random};

const DATA_LINK: &str = "..data";
const NEW_DATA_LINK: &str = "..data_tmp";
const TOKEN_FILE: &str = "token";
const DEFAULT_MODE: u32 = 0o644;

/// A token volume. Dropping the handle does not remove the directory.
#[derive(Debug)]
pub struct TokenVolume {
    directory: PathBuf,
    mode: AtomicU32,
}

impl TokenVolume {
    /// Uses the directory and creates it if it does not exist. There is no token before the first [`TokenVolume::write`].
    pub fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), mode: AtomicU32::new(DEFAULT_MODE) })
    }

    /// Replaces the token with the same steps as the kubelet, so that a reader sees either the old or the new token.
    ///
    /// As with the kubelet, a reader that resolves `..data` before the rename and opens the file after the removal gets
    /// "not found". It succeeds when it tries again.
    pub fn write(&self, token: &str) -> io::Result<()> {
        let old = fs::read_link(self.directory.join(DATA_LINK)).ok();
        let name = timestamped_name();
        let new = self.directory.join(&name);
        fs::create_dir(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        let file = new.join(TOKEN_FILE);
        fs::write(&file, token)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(self.mode.load(Ordering::SeqCst)))?;

        let new_link = self.directory.join(NEW_DATA_LINK);
        // A writer that was interrupted can leave the link behind.
        fs::remove_file(&new_link).or_else(ignore_not_found)?;
        symlink(&name, &new_link)?;
        fs::rename(&new_link, self.directory.join(DATA_LINK))?;

        if fs::symlink_metadata(self.token_file()).is_err() {
            symlink(Path::new(DATA_LINK).join(TOKEN_FILE), self.token_file())?;
        }
        match old {
            Some(old) => fs::remove_dir_all(self.directory.join(old)).or_else(ignore_not_found),
            None => Ok(()),
        }
    }

    /// Returns the path for applications: a symbolic link that never changes.
    pub fn token_file(&self) -> PathBuf {
        self.directory.join(TOKEN_FILE)
    }

    /// Sets the mode of the token file for later writes; the default is 0644. As with the kubelet, the current file keeps
    /// its mode.
    pub fn set_mode(&self, mode: u32) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn timestamped_name() -> String {
    let now = clock::iso8601(clock::unix_time());
    let timestamp = now.trim_end_matches('Z').replace(['-', ':', 'T'], "_");
    let random = random::bytes(4).iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    format!("..{timestamp}.{random:010}")
}

fn ignore_not_found(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
