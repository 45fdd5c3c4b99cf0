//! Replacing the content of a file so that no reader ever sees half of it and no writer's work is lost.
//!
//! In: a path, the mode that the file shall have, and an edit of its bytes. Out: the file, edited; or a
//! [`ReplaceError`] that says what to do, and a file that is what it was.
//!
//! The steps, in the order that makes this hold: resolve symbolic links (a link stays a link), lock, read, edit, write
//! a temporary file beside the target, give it its owner and mode, fsync it, [`rename`] it over the target, fsync the
//! directory.
//!
//! The lock is an advisory [`flock`] on the *directory*: it leaves no lock file behind, and unlike a lock on the file
//! itself it outlives the rename, after which that file is another one. It is waited for, ten seconds at most, so callers
//! run this on a thread that may block. `edit` runs under the lock and sees what the last writer left; it should look up what
//! it writes then, and not before. What it refuses changes nothing.
//!
//! [`rename`]: https://man7.org/linux/man-pages/man2/rename.2.html
//! [`flock`]: https://man7.org/linux/man-pages/man2/flock.2.html

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use tempfile::NamedTempFile;

mod error;
#[cfg(test)]
mod tests;

pub(crate) use error::ReplaceError;
use error::explain;

/// How long another writer's lock is waited for.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile. A blocking `flock` would keep its thread for as long as the other process likes.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Above this a file is not a credentials file, whatever its name.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// A name of ours, hidden from a listing and from programs that read whole directories.
const TEMPORARY_PREFIX: &str = ".credvend-";
const TEMPORARY_SUFFIX: &str = ".tmp";
const TEMPORARY_RANDOM_LENGTH: usize = 12;

const MODE_BITS: u32 = 0o7777;

/// What became of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replaced {
    /// It has new content or a new mode.
    Written,
    /// It was already as it should be, and was not touched.
    Unchanged,
}

/// Replaces the content of the file at `path`, which need not exist, by what `edit` makes of it.
///
/// # Errors
/// What `edit` refuses, and whatever keeps the file from being replaced.
pub(crate) fn replace<E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    edit: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Replaced, E> {
    let target = Target::lock(path)?;
    let existing = target.read()?;
    let (content, metadata) = match &existing {
        Some(existing) => (existing.content.as_slice(), Some(&existing.metadata)),
        None => (&[][..], None),
    };
    let edited = edit(content)?;
    if metadata.is_some_and(|metadata| metadata.mode() & MODE_BITS == mode) && edited == content {
        return Ok(Replaced::Unchanged);
    }
    target.write(&edited, mode, metadata)?;
    Ok(Replaced::Written)
}

/// Shows that [`replace`] will work, without changing the content: a file that is there is replaced by a copy of
/// itself, since nothing short of a rename shows that it is no mount point; where there is none, a temporary file is
/// made and removed.
///
/// Temporary files that a killed process left behind, and which may hold credentials, are removed.
pub(crate) fn probe(path: &Path, mode: u32) -> Result<(), ReplaceError> {
    let target = Target::lock(path)?;
    target.remove_leftovers();
    match target.read()? {
        Some(existing) => target.write(&existing.content, mode, Some(&existing.metadata)),
        None => target.temporary_file(b"", mode, None).map(drop),
    }
}

/// A file to replace, its directory locked for as long as this lives.
struct Target {
    path: PathBuf,
    directory_path: PathBuf,
    directory: File,
    is_locked: bool,
}

struct Existing {
    content: Vec<u8>,
    metadata: Metadata,
}

impl Target {
    fn lock(path: &Path) -> Result<Self, ReplaceError> {
        let path = follow_links(path)?;
        let directory_path = directory_of(&path);
        let directory =
            File::open(&directory_path).map_err(|source| explain(&path, "open the directory of", source))?;
        if !directory.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(ReplaceError::MissingParent { path });
        }
        let is_locked = match lock(&directory, LOCK_TIMEOUT) {
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(ReplaceError::Locked { path }),
            other => other.map_err(|source| explain(&path, "lock the directory of", source))?,
        };
        Ok(Self { path, directory_path, directory, is_locked })
    }

    fn read(&self) -> Result<Option<Existing>, ReplaceError> {
        // Looked at before it is opened: opening a FIFO would wait for its writer.
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(explain(&self.path, "examine", source)),
            Ok(metadata) if metadata.is_dir() => {
                let path = self.path.clone();
                return Err(if is_mount_point(&path) {
                    ReplaceError::MountedDirectory { path }
                } else {
                    ReplaceError::IsADirectory { path }
                });
            }
            Ok(metadata) if !metadata.is_file() => {
                return Err(ReplaceError::NotARegularFile { path: self.path.clone() });
            }
            Ok(_) => {}
        }
        let file = File::open(&self.path).map_err(|source| explain(&self.path, "read", source))?;
        let metadata = file.metadata().map_err(|source| explain(&self.path, "examine", source))?;
        let mut content = Vec::new();
        file.take(MAX_FILE_SIZE + 1).read_to_end(&mut content).map_err(|source| explain(&self.path, "read", source))?;
        if content.len() as u64 > MAX_FILE_SIZE {
            return Err(ReplaceError::TooLarge { path: self.path.clone(), limit: MAX_FILE_SIZE });
        }
        Ok(Some(Existing { content, metadata }))
    }

    fn write(&self, content: &[u8], mode: u32, replaces: Option<&Metadata>) -> Result<(), ReplaceError> {
        let temporary = self.temporary_file(content, mode, replaces)?;
        temporary.persist(&self.path).map_err(|refused| explain(&self.path, "replace", refused.error))?;
        match self.directory.sync_all() {
            // Some file systems have no such thing as syncing a directory.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Err(explain(&self.path, "sync the directory of", error))
            }
            _ => Ok(()),
        }
    }

    /// A file beside the target, complete and on disk; it is removed when dropped.
    fn temporary_file(
        &self,
        content: &[u8],
        mode: u32,
        replaces: Option<&Metadata>,
    ) -> Result<NamedTempFile, ReplaceError> {
        let mut temporary = temporary_file()
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.directory_path)
            .map_err(|source| self.explain_beside("create a temporary file beside", source))?;
        temporary.write_all(content).map_err(|source| explain(&self.path, "write a temporary file beside", source))?;
        let file = temporary.as_file();
        let permit = || set_mode(file, mode).map_err(|source| explain(&self.path, "set the mode of", source));
        permit()?;
        if let Some(replaces) = replaces {
            keep_owner(file, replaces);
            // Changing the owner may have cleared some of the mode's bits.
            permit()?;
        }
        file.sync_all().map_err(|source| explain(&self.path, "sync a temporary file beside", source))?;
        Ok(temporary)
    }

    /// As [`explain`], for what was tried in the directory.
    fn explain_beside(&self, action: &'static str, source: io::Error) -> ReplaceError {
        match source.kind() {
            // The directory around a file that is mounted alone is the image's: to make that writable mends nothing.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if is_mount_point(&self.path) => {
                ReplaceError::MountPoint { path: self.path.clone() }
            }
            _ => explain(&self.path, action, source),
        }
    }

    fn remove_leftovers(&self) {
        // Without the lock, a temporary file may be another process's work in progress.
        if !self.is_locked {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.directory_path) else {
            return;
        };
        for entry in entries.flatten() {
            let is_file = entry.file_type().is_ok_and(|file_type| file_type.is_file());
            if is_file && is_temporary(entry.file_name().as_encoded_bytes()) {
                // One that cannot be removed does not stand in the way of what follows.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Makes files of a name that [`is_temporary`] knows again.
pub(crate) fn temporary_file() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX).rand_bytes(TEMPORARY_RANDOM_LENGTH);
    builder
}

/// False where the kernel does not say.
fn is_mount_point(path: &Path) -> bool {
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether a file has a name as we make them up, and not merely one that begins alike.
fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()))
        .is_some_and(|random| random.len() == TEMPORARY_RANDOM_LENGTH && random.iter().all(u8::is_ascii_alphanumeric))
}

/// The file that `path` means in the end; a link that dangles leads to the file that it would have.
fn follow_links(path: &Path) -> Result<PathBuf, ReplaceError> {
    let mut target = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_symlink() => {
                let provider =
                    fs::read_link(&target).map_err(|source| explain(path, "read the symbolic link", source))?;
                // An absolute link replaces the whole path.
                target = directory_of(&target).join(provider);
            }
            Ok(_) => return Ok(target),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(target),
            Err(source) => return Err(explain(path, "examine", source)),
        }
    }
    Err(ReplaceError::SymlinkLoop { path: path.to_owned() })
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        // `/` has no parent, and is refused later for being a directory.
        _ if path.has_root() => path.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Takes the lock; false where the file system knows no locks, since a rename is atomic all the same.
pub(crate) fn lock(directory: &File, timeout: Duration) -> io::Result<bool> {
    for _ in 0..timeout.as_millis() / LOCK_PAUSE.as_millis() {
        match directory.try_lock() {
            Ok(()) => return Ok(true),
            #[expect(clippy::disallowed_methods, reason = "on a thread for this alone")]
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::Unsupported => return Ok(false),
                _ => return Err(error),
            },
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// Gives a new file the owner and group of the one it replaces, as far as that is allowed: root that writes into a
/// user's file must not take it away from them.
fn keep_owner(file: &File, replaces: &Metadata) {
    let Ok(own) = file.metadata() else { return };
    let (owner, group) = (replaces.uid(), replaces.gid());
    if own.uid() != owner && fchown(file, Some(owner), Some(group)).is_ok() {
        return;
    }
    if own.gid() != group {
        // A refusal leaves the file with the group of this process.
        let _ = fchown(file, None, Some(group));
    }
}

/// Sets the mode exactly, whatever the umask; a file that has it already is left alone, since its owner may be another
/// by now.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & MODE_BITS == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}
