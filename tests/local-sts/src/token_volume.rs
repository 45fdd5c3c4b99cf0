//! A directory laid out and rewritten as a kubelet does a projected service account token volume.
//!
//! ```text
//! token   -> ..data/token
//! ..data  -> ..2026_11_22_00_10_33.1234567890      replaced by one rename
//! ..2026_11_22_00_10_33.1234567890/token           the old directory goes after the rename
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

/// The volume. It outlives this handle: whoever made the directory removes it.
#[derive(Debug)]
pub struct TokenVolume {
    directory: PathBuf,
    mode: AtomicU32,
}

impl TokenVolume {
    /// Takes the directory, made if absent. There is no token before the first [`TokenVolume::write`].
    pub fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), mode: AtomicU32::new(DEFAULT_MODE) })
    }

    /// Replaces the token in the kubelet's order of steps, so a reader finds the old or the new one, whole.
    ///
    /// One window stays open, here as there: a reader which resolved `..data` before the swap and opens the file after
    /// the removal gets "not found", and succeeds when it tries again.
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
        // Left over if an earlier writer was stopped half-way.
        fs::remove_file(&new_link).or_else(absent_is_fine)?;
        symlink(&name, &new_link)?;
        fs::rename(&new_link, self.directory.join(DATA_LINK))?;

        if fs::symlink_metadata(self.token_file()).is_err() {
            symlink(Path::new(DATA_LINK).join(TOKEN_FILE), self.token_file())?;
        }
        match old {
            Some(old) => fs::remove_dir_all(self.directory.join(old)).or_else(absent_is_fine),
            None => Ok(()),
        }
    }

    /// The path an application is given: a symbolic link which never changes.
    pub fn token_file(&self) -> PathBuf {
        self.directory.join(TOKEN_FILE)
    }

    /// The mode of token files from the next write on (0644 at first). As in a kubelet, a mode alone rewrites nothing.
    pub fn set_mode(&self, mode: u32) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn timestamped_name() -> String {
    let now = clock::iso(clock::unix_time());
    let timestamp = now.trim_end_matches('Z').replace(['-', ':', 'T'], "_");
    let random = random::bytes(4).iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    format!("..{timestamp}.{random:010}")
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
