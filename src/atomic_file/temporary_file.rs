//! A file that gets its name in a directory only when it is complete.
//!
//! Input: a directory, opened. Output: a file without a name (`O_TMPFILE`), so that nothing stays behind if the process
//! is killed. It has a name only between [`TemporaryFile::link`] and [`TemporaryFile::rename`], because `link` cannot
//! replace a file. File systems that do not support this (NFS, for example) get a named file.
//! [`open(2)`](https://man7.org/linux/man-pages/man2/open.2.html).

use std::{
    ffi::OsStr,
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io,
    os::fd::AsRawFd as _,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, linkat, openat, renameat, unlinkat},
    io::Errno,
};

use super::critical_section::CriticalSection;

/// The dot hides temporary files from listings and from programs that read all files of a directory.
const PREFIX: &str = ".credvend-";
const SUFFIX: &str = ".tmp";
const RANDOM_LENGTH: usize = 12;

/// Number of names to try. Each name is random, so a second attempt is rare.
const MAX_ATTEMPTS: usize = 100;

/// A file with mode 0600 that is removed when dropped, unless it was renamed.
#[derive(Debug)]
pub(super) struct TemporaryFile<'a> {
    file: File,
    directory: &'a File,
    name: Option<String>,
    /// Ends after the file has lost its temporary name, because fields are dropped after the value itself.
    section: Option<CriticalSection>,
}

impl<'a> TemporaryFile<'a> {
    /// Creates a file without a name, or with a name if the file system does not support files without names.
    pub(super) fn create(directory: &'a File) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(directory, ".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Self { file: file.into(), directory, name: None, section: None }),
            // Old kernels ignore the flag and try to open the directory.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => {
                Self::create_named(directory)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a file with a name.
    pub(super) fn create_named(directory: &'a File) -> io::Result<Self> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        let section = CriticalSection::enter();
        let create = |name: &str| openat(directory, name, flags, Mode::RUSR | Mode::WUSR);
        let (name, file) = with_free_name(create)?;
        Ok(Self { file: file.into(), directory, name: Some(name), section: Some(section) })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file a temporary name, if it has none.
    pub(super) fn link(&mut self) -> io::Result<()> {
        if self.name.is_some() {
            return Ok(());
        }
        let section = CriticalSection::enter();
        // `linkat` with an empty path would need CAP_DAC_READ_SEARCH.
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |name: &str| linkat(CWD, own.as_str(), self.directory, name, AtFlags::SYMLINK_FOLLOW);
        self.name = Some(with_free_name(link)?.0);
        self.section = Some(section);
        Ok(())
    }

    /// Replaces the file `name` with this file, which must have a temporary name.
    pub(super) fn rename(mut self, name: &OsStr) -> io::Result<()> {
        let temporary = self.name.as_deref().ok_or(Errno::NOENT)?;
        renameat(self.directory, temporary, self.directory, name)?;
        self.name = None;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = unlinkat(self.directory, name.as_str(), AtFlags::empty());
        }
    }
}

/// Calls `create` with random names until one is free.
fn with_free_name<T>(create: impl Fn(&str) -> rustix::io::Result<T>) -> io::Result<(String, T)> {
    for _ in 0..MAX_ATTEMPTS {
        // The standard library seeds each state at random.
        let number = RandomState::new().hash_one(PREFIX) & ((1 << (4 * RANDOM_LENGTH)) - 1);
        let name = format!("{PREFIX}{number:0RANDOM_LENGTH$x}{SUFFIX}");
        match create(&name) {
            Err(Errno::EXIST) => {}
            created => return Ok((name, created?)),
        }
    }
    Err(Errno::EXIST.into())
}

/// Removes the temporary files of killed processes in `directory`. Call it only under the lock: otherwise, a file can
/// belong to a running process.
pub(super) fn remove_leftovers(directory: &File) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    for entry in entries.map_while(Result::ok) {
        let name = entry.file_name();
        if is_temporary(name.to_bytes()) && matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            // A file that cannot be removed does not prevent replacing the target.
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// Returns true if the whole name matches the pattern of temporary files.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes())
        .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
        .is_some_and(|random| random.len() == RANDOM_LENGTH && random.iter().all(u8::is_ascii_alphanumeric))
}
