//! Replaces the content of a file atomically: readers never see a partial file, and no writer's update is lost.
//!
//! Input: a path, the file mode and a function that edits the bytes. Output: the edited file, or an unchanged file and
//! a [`ReplaceError`] that tells how to fix the problem.
//!
//! The steps: find the file (see [`trusted_path`](crate::trusted_path); a symbolic link stays a link), lock, read, edit,
//! write a temporary file in the directory of the target, copy its extended attributes, set its mode and owner, fsync it,
//! compare the target with what was read, [`rename`] the temporary file over it, fsync the directory. The order matters.
//! If the target changed meanwhile, it is read and edited again: not every writer takes the lock.
//!
//! The lock is an advisory [`flock`] on the *directory*. It leaves no lock file behind, and unlike a lock on the file
//! it stays valid after the rename, which replaces the file. Waiting for it takes up to ten seconds, so callers must
//! run this module on a thread that may block; then the write goes on without the lock. `edit` runs under the lock and
//! receives the output of the last writer; it should obtain the data to write only then. If `edit` returns an error,
//! nothing changes.
//!
//! [`rename`]: https://man7.org/linux/man-pages/man2/rename.2.html
//! [`flock`]: https://man7.org/linux/man-pages/man2/flock.2.html

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use rustix::{
    fs::{AtFlags, StatxAttributes, StatxFlags, statx},
    process::geteuid,
};
use zeroize::Zeroizing;

use crate::{
    bounded_file::ReadError,
    trusted_path::{LastLink, Location, Owners},
};

mod attributes;
pub(crate) mod critical_section;
mod error;
mod existing;
mod lock;
mod temporary_file;
#[cfg(test)]
mod tests;

use attributes::MODE_BITS;
pub(crate) use error::ReplaceError;
use error::explain;
use existing::Existing;
pub(crate) use lock::LOCK_TIMEOUT;
use lock::{Lock, lock};
use temporary_file::{TemporaryFile, remove_leftovers};

/// Maximum time that [`probe`] waits for the lock: a start must not wait for a process that holds the lock forever.
const PROBE_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Number of times to edit a file that another process changes meanwhile.
const MAX_ROUNDS: usize = 100;

/// Time in which a writer that has truncated a file writes its content.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// The result of [`replace`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replaced {
    /// The file has new content or a new mode.
    Written,
    /// The file already had the content and mode, and was not written.
    Unchanged,
}

/// Replaces the content of the file at `path` with the result of `edit`. A missing file counts as empty and is created.
/// `edit` runs again if another process changes the file meanwhile.
///
/// # Errors
/// Returns the error of `edit`, or an error if the file cannot be replaced.
pub(crate) fn replace<C: AsRef<[u8]>, E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    edit: impl FnMut(&[u8]) -> Result<C, E>,
) -> Result<Replaced, E> {
    replace_within(path, mode, LOCK_TIMEOUT, edit)
}

/// Like [`replace`], but waits for the lock for at most `lock_timeout`.
///
/// # Errors
/// As [`replace`].
pub(crate) fn replace_within<C: AsRef<[u8]>, E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    lock_timeout: Duration,
    edit: impl FnMut(&[u8]) -> Result<C, E>,
) -> Result<Replaced, E> {
    replace_unless_late(path, mode, lock_timeout, edit, |_| None)
}

/// Like [`replace_within`], for a file that other programs edit too, perhaps in place and without the lock. What such a
/// program writes to the replaced file, because it had opened that before, is edited again.
///
/// # Errors
/// As [`replace`].
pub(crate) fn edit_shared<C: AsRef<[u8]>, E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    lock_timeout: Duration,
    edit: impl FnMut(&[u8]) -> Result<C, E>,
) -> Result<Replaced, E> {
    replace_unless_late(path, mode, lock_timeout, edit, |replaced| {
        // The file system may delay a writer that has the file open.
        wait(SETTLE_TIME);
        replaced.content_written_since()
    })
}

fn replace_unless_late<C: AsRef<[u8]>, E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    lock_timeout: Duration,
    mut edit: impl FnMut(&[u8]) -> Result<C, E>,
    written_since: impl Fn(Existing) -> Option<Zeroizing<Vec<u8>>>,
) -> Result<Replaced, E> {
    let target = Target::lock(path, lock_timeout)?;
    target.warn_if_not_locked(lock_timeout);
    target.remove_leftovers();
    // The content that another process wrote to a file that was replaced meanwhile.
    let mut late: Option<Zeroizing<Vec<u8>>> = None;
    for _ in 0..MAX_ROUNDS {
        let existing = target.read_settled()?;
        let current = existing.as_ref().map_or(&[][..], |existing| &existing.content);
        let edited = edit(late.as_deref().map_or(current, Vec::as_slice))?;
        let edited = edited.as_ref();
        let has_mode = |existing: &Existing| existing.metadata.mode() & MODE_BITS == mode;
        if existing.as_ref().is_some_and(has_mode) && edited == current {
            return Ok(Replaced::Unchanged);
        }
        late = None;
        if target.write(edited, mode, existing.as_ref())? {
            late = existing.and_then(&written_since);
            if late.is_none() {
                return Ok(Replaced::Written);
            }
        }
    }
    Err(ReplaceError::KeepsChanging { path: target.path().to_owned() }.into())
}

/// Checks that [`replace`] will work, without changing the content. An existing file is replaced with a copy of itself,
/// because only a rename shows that the file is not a mount point. For a missing file, and if another process holds the
/// lock, a temporary file is created and removed.
///
/// Before that, `check` examines the content of an existing file. Also removes temporary files that a killed process left
/// behind, because they may contain credentials.
///
/// # Errors
/// Returns the error of `check`, or an error if the file cannot be replaced.
pub(crate) fn probe<E: From<ReplaceError>>(
    path: &Path,
    mode: u32,
    check: impl FnOnce(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let target = Target::lock(path, PROBE_LOCK_TIMEOUT)?;
    target.remove_leftovers();
    let existing = target.read()?;
    if let Some(existing) = &existing {
        check(&existing.content)?;
    }
    match existing {
        Some(existing) if target.lock == Lock::TimedOut => {
            target.create_temporary_file(&existing.content, mode, None)?;
            if target.is_mount_point() {
                return Err(ReplaceError::MountPoint { path: target.path().to_owned() }.into());
            }
        }
        // A file that another process changes meanwhile was not renamed, but shows that it can be written.
        Some(existing) => drop(target.write(&existing.content, mode, Some(&existing))?),
        None => drop(target.create_temporary_file(b"", mode, None)?),
    }
    Ok(())
}

/// Writes the content of `source` to the file at `path`, which may be running, and replaces a symbolic link itself.
///
/// # Errors
/// Returns an error that carries [`Planted`](crate::trusted_path::Planted), and the errors of the system calls.
pub(crate) fn install(path: &Path, mode: u32, source: &mut File) -> io::Result<()> {
    let target = Target::lock_at(Location::find(path, LastLink::Keep)?, LOCK_TIMEOUT)?;
    target.warn_if_not_locked(LOCK_TIMEOUT);
    target.remove_leftovers();
    if target.location.metadata()?.is_some_and(|metadata| metadata.is_dir()) {
        return Err(ErrorKind::IsADirectory.into());
    }
    let fill = |temporary: &mut TemporaryFile<'_>| {
        io::Seek::rewind(source)?;
        io::copy(source, temporary.file_mut())?;
        attributes::set_mode(temporary.file(), mode)?;
        temporary.file().sync_all()
    };
    target.linked(fill)?.rename(target.location.name())?;
    target.directory.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "callers run this module on a thread that may block")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A file to replace. Its directory is locked until the value is dropped.
struct Target {
    location: Location,
    directory: File,
    lock: Lock,
}

impl Target {
    fn lock(path: &Path, timeout: Duration) -> Result<Self, ReplaceError> {
        let location = Location::find(path, LastLink::Follow).map_err(|source| explain(path, "examine", source))?;
        let path = location.path().to_owned();
        Self::lock_at(location, timeout).map_err(|source| explain(&path, "open the directory of", source))
    }

    fn lock_at(location: Location, timeout: Duration) -> io::Result<Self> {
        let directory = location.open_directory()?;
        let lock = lock(&directory, timeout);
        Ok(Self { location, directory, lock })
    }

    fn path(&self) -> &Path {
        self.location.path()
    }

    fn warn_if_not_locked(&self, waited: Duration) {
        if self.lock == Lock::TimedOut {
            let (path, waited) = (self.path().display(), waited.as_secs());
            tracing::warn!(%path, "another process has locked the directory for {waited} s; writing without the lock");
        }
    }

    fn explain(&self, action: &'static str) -> impl Fn(io::Error) -> ReplaceError {
        move |source| {
            let sticky = if source.kind() == ErrorKind::PermissionDenied { self.sticky_owner() } else { None };
            sticky.map_or_else(
                || explain(self.path(), action, source),
                |owner| ReplaceError::Sticky { path: self.path().to_owned(), owner, uid: geteuid().as_raw() },
            )
        }
    }

    /// Returns the owner of the file if the sticky bit of the directory keeps this user from replacing it.
    fn sticky_owner(&self) -> Option<u32> {
        let owner = self.location.metadata().ok()??.uid();
        (self.location.is_sticky() && owner != geteuid().as_raw()).then_some(owner)
    }

    fn read(&self) -> Result<Option<Existing>, ReplaceError> {
        let path = || self.path().to_owned();
        match self.location.metadata().map_err(self.explain("examine"))? {
            None => return Ok(None),
            Some(metadata) if metadata.is_dir() => {
                let (is_mounted, path) = (self.is_mount_point(), path());
                return Err(match is_mounted {
                    true => ReplaceError::MountedDirectory { path },
                    false => ReplaceError::IsADirectory { path },
                });
            }
            Some(metadata) if !metadata.is_file() => return Err(ReplaceError::NotARegularFile { path: path() }),
            Some(_) => {}
        }
        let opened = self.location.open(Owners::Trusted);
        let existing = opened.and_then(|opened| opened.map(|(file, _)| Existing::read(file)).transpose());
        existing.map_err(|error| match error {
            ReadError::Io(source) => self.explain("read")(source),
            ReadError::TooLarge(limit) => ReplaceError::TooLarge { path: path(), limit },
            _ => ReplaceError::NotARegularFile { path: path() },
        })
    }

    /// Reads the file. If it is empty, another process may just have truncated it to write it.
    fn read_settled(&self) -> Result<Option<Existing>, ReplaceError> {
        let existing = self.read()?;
        if !existing.as_ref().is_some_and(|existing| existing.content.is_empty()) {
            return Ok(existing);
        }
        wait(SETTLE_TIME);
        self.read()
    }

    /// Returns false, and leaves the file as it is, if it is not `existing` any more.
    fn write(&self, content: &[u8], mode: u32, existing: Option<&Existing>) -> Result<bool, ReplaceError> {
        let temporary = self.create_temporary_file(content, mode, existing)?;
        let is_unchanged = match (existing, &self.read()?) {
            (None, None) => true,
            (Some(then), Some(now)) => then.equals(now),
            _ => false,
        };
        if !is_unchanged {
            return Ok(false);
        }
        temporary.rename(self.location.name()).map_err(self.explain("replace"))?;
        if existing.is_some_and(|existing| existing.metadata.nlink() > 1) {
            tracing::warn!(path = %self.path().display(), "file replaced; its other hard links keep the old content");
        }
        match self.directory.sync_all() {
            // Some file systems do not support fsync on directories.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Err(self.explain("sync the directory of")(error))
            }
            _ => Ok(true),
        }
    }

    /// Creates a complete, synced file next to the target. It is removed when dropped.
    fn create_temporary_file(
        &self,
        content: &[u8],
        mode: u32,
        replaces: Option<&Existing>,
    ) -> Result<TemporaryFile<'_>, ReplaceError> {
        let fill = |temporary: &mut TemporaryFile<'_>| {
            temporary.file_mut().write_all(content)?;
            let file = temporary.file();
            if let Some(replaces) = replaces {
                self.copy_attributes(file, replaces, mode);
            }
            attributes::set_mode(file, mode)?;
            if let Some(replaces) = replaces {
                attributes::keep_owner(file, &replaces.metadata);
                // A change of the owner may have cleared some bits of the mode.
                attributes::set_mode(file, mode)?;
            }
            file.sync_all()
        };
        self.linked(fill).map_err(|source| match source.kind() {
            // The directory around a mounted file belongs to the image. Making it writable would not help.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if self.is_mount_point() => {
                ReplaceError::MountPoint { path: self.path().to_owned() }
            }
            _ => explain(self.path(), "create a temporary file next to", source),
        })
    }

    fn copy_attributes(&self, file: &File, replaces: &Existing, mode: u32) {
        let path = self.path().display();
        let lost = attributes::copy_extended(file, &replaces.file);
        if !lost.is_empty() {
            tracing::warn!(%path, "extended attributes that cannot be kept: {}", lost.join(", "));
        }
        if attributes::changes_access_control_list(&replaces.file, &replaces.metadata, mode) {
            tracing::warn!(%path, "mode {mode:04o} limits the access control list of the file, as chmod does; set --file-mode");
        }
    }

    /// Creates a file, fills it and gives it a temporary name.
    fn linked(&self, mut fill: impl FnMut(&mut TemporaryFile<'_>) -> io::Result<()>) -> io::Result<TemporaryFile<'_>> {
        let mut temporary = TemporaryFile::create(&self.directory)?;
        fill(&mut temporary)?;
        if temporary.link().is_err() {
            // Without /proc, or if a security module forbids links.
            temporary = TemporaryFile::create_named(&self.directory)?;
            fill(&mut temporary)?;
        }
        Ok(temporary)
    }

    /// Returns true if the file is a mount point; false also if the kernel does not report it.
    fn is_mount_point(&self) -> bool {
        let (directory, name) = (self.location.directory(), self.location.name());
        statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
            .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    fn remove_leftovers(&self) {
        if self.lock == Lock::Held {
            remove_leftovers(&self.directory);
        }
    }
}
