//! Replaces the content of a file atomically: readers never see a partial file, and no writer's update is lost.
//!
//! Input: a path, the file mode and a function that edits the bytes. Output: the edited file, or an unchanged file and
//! a [`ReplaceError`] that tells how to fix the problem.
//!
//! The steps: follow symbolic links (a link stays a link), lock, read, edit, write a temporary file next to the target,
//! set its owner and mode, fsync it, [`rename`] it over the target, fsync the directory. The order matters.
//!
//! The lock is an advisory [`flock`] on the *directory*. It leaves no lock file behind, and unlike a lock on the file
//! it stays valid after the rename, which replaces the file. Waiting for it takes up to ten seconds, so callers must
//! run this module on a thread that may block. `edit` runs under the lock and receives the output of the last writer;
//! it should obtain the data to write only then. If `edit` returns an error, nothing changes.
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
use zeroize::Zeroizing;

mod error;
#[cfg(test)]
mod tests;

pub(crate) use error::ReplaceError;
use error::explain;

/// Maximum time to wait for the lock of another writer.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between attempts to take the lock. A blocking `flock` could block its thread forever.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum size of a file, in bytes. A larger file is not a credentials file.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// The maximum number of symbolic links that Linux follows.
const MAX_LINKS: usize = 40;

/// The dot hides temporary files from listings and from programs that read all files of a directory.
const TEMPORARY_PREFIX: &str = ".credvend-";
const TEMPORARY_SUFFIX: &str = ".tmp";
const TEMPORARY_RANDOM_LENGTH: usize = 12;

const MODE_BITS: u32 = 0o7777;

/// The result of [`replace`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replaced {
    /// The file has new content or a new mode.
    Written,
    /// The file already had the content and mode, and was not written.
    Unchanged,
}

/// Replaces the content of the file at `path` with the result of `edit`. A missing file counts as empty and is created.
///
/// # Errors
/// Returns the error of `edit`, or an error if the file cannot be replaced.
pub(crate) fn replace<C: AsRef<[u8]>, E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    edit: impl FnOnce(&[u8]) -> Result<C, E>,
) -> Result<Replaced, E> {
    let target = Target::lock(path)?;
    let existing = target.read()?;
    let (content, metadata) = match &existing {
        Some(existing) => (existing.content.as_slice(), Some(&existing.metadata)),
        None => (&[][..], None),
    };
    let edited = edit(content)?;
    let edited = edited.as_ref();
    if metadata.is_some_and(|metadata| metadata.mode() & MODE_BITS == mode) && edited == content {
        return Ok(Replaced::Unchanged);
    }
    target.write(edited, mode, metadata)?;
    Ok(Replaced::Written)
}

/// Checks that [`replace`] will work, without changing the content. An existing file is replaced with a copy of itself,
/// because only a rename shows that the file is not a mount point. For a missing file, a temporary file is created and
/// removed.
///
/// Also removes temporary files that a killed process left behind, because they may contain credentials.
///
/// # Errors
/// Returns an error if the file cannot be replaced.
pub(crate) fn probe(path: &Path, mode: u32) -> Result<(), ReplaceError> {
    let target = Target::lock(path)?;
    target.remove_leftovers();
    match target.read()? {
        Some(existing) => target.write(&existing.content, mode, Some(&existing.metadata)),
        None => target.create_temporary_file(b"", mode, None).map(drop),
    }
}

/// A file to replace. Its directory is locked until the value is dropped.
struct Target {
    path: PathBuf,
    directory_path: PathBuf,
    directory: File,
    is_locked: bool,
}

struct Existing {
    content: Zeroizing<Vec<u8>>,
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
        // Check the type before opening: opening a FIFO would wait for its writer.
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
        // The file can contain credentials. Allocate enough for the whole file and for the read that detects its end: a
        // buffer that grows leaves unwiped copies behind.
        let capacity = usize::try_from(metadata.len().min(MAX_FILE_SIZE)).unwrap_or(0) + 64;
        let mut content = Zeroizing::new(Vec::with_capacity(capacity));
        file.take(MAX_FILE_SIZE + 1).read_to_end(&mut content).map_err(|source| explain(&self.path, "read", source))?;
        if content.len() as u64 > MAX_FILE_SIZE {
            return Err(ReplaceError::TooLarge { path: self.path.clone(), limit: MAX_FILE_SIZE });
        }
        Ok(Some(Existing { content, metadata }))
    }

    fn write(&self, content: &[u8], mode: u32, replaces: Option<&Metadata>) -> Result<(), ReplaceError> {
        let temporary = self.create_temporary_file(content, mode, replaces)?;
        temporary.persist(&self.path).map_err(|refused| explain(&self.path, "replace", refused.error))?;
        match self.directory.sync_all() {
            // Some file systems do not support fsync on directories.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Err(explain(&self.path, "sync the directory of", error))
            }
            _ => Ok(()),
        }
    }

    /// Creates a complete, synced file next to the target. It is removed when dropped.
    fn create_temporary_file(
        &self,
        content: &[u8],
        mode: u32,
        replaces: Option<&Metadata>,
    ) -> Result<NamedTempFile, ReplaceError> {
        let mut temporary = temporary_file()
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.directory_path)
            .map_err(|source| self.explain_in_directory("create a temporary file next to", source))?;
        temporary.write_all(content).map_err(|source| explain(&self.path, "write a temporary file next to", source))?;
        let file = temporary.as_file();
        let apply_mode = || set_mode(file, mode).map_err(|source| explain(&self.path, "set the mode of", source));
        apply_mode()?;
        if let Some(replaces) = replaces {
            keep_owner(file, replaces);
            // A change of the owner may have cleared some bits of the mode.
            apply_mode()?;
        }
        file.sync_all().map_err(|source| explain(&self.path, "sync a temporary file next to", source))?;
        Ok(temporary)
    }

    /// Like [`explain`], for actions in the directory.
    fn explain_in_directory(&self, action: &'static str, source: io::Error) -> ReplaceError {
        match source.kind() {
            // The directory around a mounted file belongs to the image. Making it writable would not help.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if is_mount_point(&self.path) => {
                ReplaceError::MountPoint { path: self.path.clone() }
            }
            _ => explain(&self.path, action, source),
        }
    }

    fn remove_leftovers(&self) {
        // Without the lock, another process may still be writing a temporary file.
        if !self.is_locked {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.directory_path) else {
            return;
        };
        for entry in entries.flatten() {
            let is_file = entry.file_type().is_ok_and(|file_type| file_type.is_file());
            if is_file && is_temporary(entry.file_name().as_encoded_bytes()) {
                // A file that cannot be removed does not prevent replacing the target.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Returns a builder for temporary files with names that [`is_temporary`] recognizes.
pub(crate) fn temporary_file() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX).rand_bytes(TEMPORARY_RANDOM_LENGTH);
    builder
}

/// Returns true if `path` is a mount point; false also if the kernel does not report it.
fn is_mount_point(path: &Path) -> bool {
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns true if the whole name matches the pattern of [`temporary_file`].
fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()))
        .is_some_and(|random| random.len() == TEMPORARY_RANDOM_LENGTH && random.iter().all(u8::is_ascii_alphanumeric))
}

/// Returns the final target of `path`. For a dangling link, this is the path that the link names.
fn follow_links(path: &Path) -> Result<PathBuf, ReplaceError> {
    let mut target = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_symlink() => {
                let link_target =
                    fs::read_link(&target).map_err(|source| explain(path, "read the symbolic link", source))?;
                // If the link is absolute, `join` returns it unchanged.
                target = directory_of(&target).join(link_target);
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
        // `/` has no parent. It is refused later because it is a directory.
        _ if path.has_root() => path.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Takes the lock. Returns false if the file system does not support locks: the rename is atomic without a lock, too.
///
/// # Errors
/// Returns `TimedOut` if another process holds the lock for longer than `timeout`, and other errors of `flock`.
pub(crate) fn lock(directory: &File, timeout: Duration) -> io::Result<bool> {
    for _ in 0..timeout.as_millis() / LOCK_POLL_INTERVAL.as_millis() {
        match directory.try_lock() {
            Ok(()) => return Ok(true),
            #[expect(clippy::disallowed_methods, reason = "callers run this on a thread that may block")]
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL_INTERVAL),
            Err(TryLockError::Error(error)) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::Unsupported => return Ok(false),
                _ => return Err(error),
            },
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// Sets the owner and group of a new file to those of the file that it replaces, if permitted. Otherwise root would
/// take ownership of the files of other users.
fn keep_owner(file: &File, replaces: &Metadata) {
    let Ok(own) = file.metadata() else { return };
    let (owner, group) = (replaces.uid(), replaces.gid());
    if own.uid() != owner && fchown(file, Some(owner), Some(group)).is_ok() {
        return;
    }
    if own.gid() != group {
        // If this fails, the file keeps the group of this process.
        let _ = fchown(file, None, Some(group));
    }
}

/// Sets the mode regardless of the umask. If the file already has the mode, it is not set again, because the owner may
/// have changed and the call could fail.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & MODE_BITS == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}
