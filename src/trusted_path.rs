//! Finds files without trusting what another user may have planted.
//!
//! Input: a path. Output: the directory of the file as a descriptor and the name of the file in it, or an error that
//! carries [`Planted`].
//!
//! The path is resolved here, one component after the other. Between a check of a path and its use, another user could
//! replace a component; a descriptor always refers to the directory that was checked. The rule, for each symbolic link
//! and for the file itself:
//!
//! - An entry of root or of this process' user is trusted.
//! - An entry of another user is trusted if nobody but root, this user and the entry's owner can write to the
//!   directory. Nobody else can have placed it there.
//! - A link of another user must lead to a file of the same user. Otherwise, that user could make root open a file that
//!   the user cannot open.
//! - In a directory that others can write to, a file with several hard links is not trusted: one of them may be
//!   planted.
//! - A directory that another user may have planted counts as one that others can write to.
//!
//! In Kubernetes, every user can write to an `emptyDir`. Files and links of projected volumes belong to root.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat},
    io::Errno,
};
use zeroize::Zeroizing;

use crate::bounded_file::{self, FifoPolicy, ReadError};

mod planted;
#[cfg(test)]
mod tests;

use planted::Kind;
pub(crate) use planted::Planted;

/// The maximum number of symbolic links that Linux follows.
const MAX_LINKS: usize = 40;

const ROOT: u32 = 0;

/// Permission to write for the group and for others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Only the owner of an entry, the owner of the directory and root can rename or remove the entry.
const STICKY: u32 = 0o1000;

/// Whose files are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// The rule of this module.
    Trusted,
    /// Any user, because the content of the file gives nobody any access: for example, a token that this process sends
    /// to the server that made it. Links follow the rule of this module.
    Any,
}

/// Reads the text of a small file.
///
/// # Errors
/// Returns the errors of [`bounded_file::read_text`], and an error that carries [`Planted`].
pub(crate) fn read(path: &Path, max_size: u64, owners: Owners) -> Result<Zeroizing<String>, ReadError> {
    let found = Location::find(path, LastLink::Follow)?.open(owners)?;
    let (file, metadata) = found.ok_or(ReadError::Io(ErrorKind::NotFound.into()))?;
    bounded_file::into_text(bounded_file::read_opened(&file, &metadata, max_size, FifoPolicy::Refuse)?)
}

/// Checks that the file at `path` is not planted. A file that is missing or cannot be examined is not planted.
///
/// # Errors
/// Returns the reason if the file may be planted.
pub(crate) fn refuse_planted(path: &Path) -> Result<(), Planted> {
    let found = Location::find(path, LastLink::Follow).and_then(|location| location.metadata());
    found.map_or_else(|error| Planted::in_error(&error).cloned().map_or(Ok(()), Err), |_| Ok(()))
}

/// What to do if the last component of a path is a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    Follow,
    Keep,
}

/// The place of a file, which may be missing.
pub(crate) struct Location {
    /// An `O_PATH` descriptor of the directory that holds the file.
    directory: File,
    rights: Directory,
    /// The user whose link leads here, if that is another user.
    linked_by: Option<Planted>,
    /// The name of the file in the directory; `.` if the path names a directory as a whole.
    name: OsString,
    path: PathBuf,
    own: u32,
}

/// Who can place an entry in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directory {
    mode: u32,
    owner: u32,
    /// True if another user may have placed the directory where it is.
    is_planted: bool,
}

impl Directory {
    fn new(metadata: &Metadata, is_planted: bool) -> Self {
        Self { mode: metadata.mode(), owner: metadata.uid(), is_planted }
    }

    /// Returns true if an entry of `owner` is trusted by a process of the user `own`.
    fn is_trusted(self, owner: u32, own: u32) -> bool {
        owner == ROOT || owner == own || (self.is_private() && [ROOT, own, owner].contains(&self.owner))
    }

    /// Returns true if only the owner and root can place entries here.
    fn is_private(self) -> bool {
        self.mode & WRITABLE_BY_OTHERS == 0 && !self.is_planted
    }

    /// Returns true if only root and the user `own` can place entries here.
    fn is_ours(self, own: u32) -> bool {
        self.is_private() && [ROOT, own].contains(&self.owner)
    }
}

impl Location {
    /// Resolves `path`.
    ///
    /// # Errors
    /// Returns an error that carries [`Planted`] for a link that may be planted, and the errors of the system calls. The
    /// last component may be missing.
    pub(crate) fn find(path: &Path, last_link: LastLink) -> io::Result<Self> {
        Walk::start(path)?.finish(last_link)
    }

    /// Returns the directory that holds the file. The descriptor has `O_PATH`.
    pub(crate) fn directory(&self) -> &File {
        &self.directory
    }

    /// Opens the directory for locks, for listing and for fsync.
    pub(crate) fn open_directory(&self) -> io::Result<File> {
        open(&self.directory, OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Returns true if only its owner, the owner of the directory and root can rename a file over one in the directory.
    pub(crate) fn is_sticky(&self) -> bool {
        self.rights.mode & STICKY != 0
    }

    /// Returns the path without symbolic links, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the metadata of the file, or `None` if it is missing.
    ///
    /// # Errors
    /// Returns an error that carries [`Planted`], and the errors of the system calls.
    pub(crate) fn metadata(&self) -> io::Result<Option<Metadata>> {
        match open(&self.directory, &self.name, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Another user's link could make root create a file in a directory of its choice.
                let linked_by = self.linked_by.as_ref().filter(|link| link.owner != self.rights.owner);
                linked_by.map_or(Ok(None), |link| Err(link.clone().into()))
            }
            found => {
                let metadata = found?.metadata()?;
                self.refuse_planted(&metadata)?;
                Ok(Some(metadata))
            }
        }
    }

    /// Opens the file for [`bounded_file::read_opened`], or returns `None` if it is missing. Never blocks.
    ///
    /// # Errors
    /// Returns an error if it is neither a regular file nor the null device, an error that carries [`Planted`], and the errors
    /// of the system calls.
    pub(crate) fn open(&self, owners: Owners) -> Result<Option<(File, Metadata)>, ReadError> {
        match open(&self.directory, &self.name, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => bounded_file::require_regular(&found?.metadata()?)?,
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = open(&self.directory, &self.name, flags)?;
        let metadata = file.metadata()?;
        if owners == Owners::Trusted {
            self.refuse_planted(&metadata)?;
        }
        Ok(Some((file, metadata)))
    }

    /// Checks a file in this place. Directories cannot be read or replaced, so they are refused elsewhere.
    fn refuse_planted(&self, file: &Metadata) -> io::Result<()> {
        let owner = file.uid();
        let kind = if file.is_symlink() { Kind::Link } else { Kind::File };
        let planted = |kind| {
            let (path, directory) = (self.path.clone(), self.rights);
            Err(Planted { path, kind, owner, directory, own: self.own }.into())
        };
        if file.is_dir() {
            return Ok(());
        }
        if !self.rights.is_trusted(owner, self.own) {
            return planted(kind);
        }
        if let Some(link) = self.linked_by.as_ref().filter(|link| link.owner != owner) {
            return Err(link.clone().into());
        }
        if file.nlink() > 1 && !self.rights.is_ours(self.own) {
            return planted(Kind::HardLink);
        }
        Ok(())
    }
}

/// The resolution of a path.
struct Walk {
    directory: File,
    rights: Directory,
    /// The directories above, as far as the path led through them.
    above: Vec<Directory>,
    path: PathBuf,
    /// The components to resolve, the next one last.
    pending: Vec<OsString>,
    linked_by: Option<Planted>,
    links: usize,
    own: u32,
}

impl Walk {
    fn start(path: &Path) -> io::Result<Self> {
        let directory = open_at(CWD, OsStr::new(if path.has_root() { "/" } else { "." }))?;
        let rights = Directory::new(&directory.metadata()?, false);
        let own = rustix::process::geteuid().as_raw();
        let (above, links) = (Vec::new(), 0);
        let mut walk =
            Self { directory, rights, above, path: PathBuf::new(), pending: Vec::new(), linked_by: None, links, own };
        walk.push(path);
        Ok(walk)
    }

    /// Resolves the components of `path` next.
    fn push(&mut self, path: &Path) {
        let names = path.components().rev().filter(|component| *component != Component::CurDir);
        self.pending.extend(names.map(|component| component.as_os_str().to_owned()));
    }

    fn finish(mut self, last_link: LastLink) -> io::Result<Location> {
        while let Some(name) = self.pending.pop() {
            match name.as_bytes() {
                b"/" => self.enter_root()?,
                b".." => self.leave()?,
                _ => {
                    let is_last = self.pending.is_empty();
                    let found = open(&self.directory, &name, OFlags::PATH | OFlags::NOFOLLOW);
                    if is_last && found.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                        return Ok(self.at(name));
                    }
                    let found = found?;
                    let metadata = found.metadata()?;
                    if metadata.is_symlink() && !(is_last && last_link == LastLink::Keep) {
                        self.follow(&name, &found, &metadata)?;
                    } else if is_last {
                        return Ok(self.at(name));
                    } else if metadata.is_dir() {
                        self.enter(&name, found, &metadata);
                    } else {
                        return Err(Errno::NOTDIR.into());
                    }
                }
            }
        }
        Ok(self.at(".".into()))
    }

    fn at(self, name: OsString) -> Location {
        let path = if name == "." { self.path } else { self.path.join(&name) };
        let Self { directory, rights, linked_by, own, .. } = self;
        Location { directory, rights, linked_by, name, path, own }
    }

    fn enter_root(&mut self) -> io::Result<()> {
        self.directory = open_at(CWD, OsStr::new("/"))?;
        self.rights = Directory::new(&self.directory.metadata()?, false);
        self.above.clear();
        self.path = "/".into();
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.directory = open_at(&self.directory, OsStr::new(".."))?;
        self.rights = match self.above.pop() {
            Some(rights) => rights,
            None => Directory::new(&self.directory.metadata()?, false),
        };
        if !self.path.pop() {
            self.path.push("..");
        }
        Ok(())
    }

    fn enter(&mut self, name: &OsStr, directory: File, metadata: &Metadata) {
        let is_planted = self.rights.is_planted || !self.rights.is_trusted(metadata.uid(), self.own);
        self.above.push(self.rights);
        self.rights = Directory::new(metadata, is_planted);
        self.directory = directory;
        self.path.push(name);
    }

    fn follow(&mut self, name: &OsStr, link: &File, metadata: &Metadata) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        let owner = metadata.uid();
        let (path, directory, own) = (self.path.join(name), self.rights, self.own);
        let itself = Planted { path, kind: Kind::Link, owner, directory, own };
        if !self.rights.is_trusted(owner, own) {
            return Err(itself.into());
        }
        match &self.linked_by {
            Some(first) if first.owner != owner => return Err(first.clone().into()),
            None if ![ROOT, own].contains(&owner) => self.linked_by = Some(itself),
            _ => {}
        }
        // The text of a link in /proc, such as /proc/1/root, may have another meaning than the link.
        if !self.pending.is_empty() && fstatfs(&self.directory)?.f_type == PROC_SUPER_MAGIC {
            let directory = File::from(openat(&self.directory, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
            let metadata = directory.metadata()?;
            self.enter(name, directory, &metadata);
            return if metadata.is_dir() { Ok(()) } else { Err(Errno::NOTDIR.into()) };
        }
        let target = readlinkat(link, "", Vec::new())?;
        self.push(Path::new(OsStr::from_bytes(target.as_bytes())));
        Ok(())
    }
}

fn open_at(base: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<File> {
    Ok(openat(base, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?.into())
}

fn open(directory: &File, name: &OsStr, flags: OFlags) -> io::Result<File> {
    Ok(openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty())?.into())
}
