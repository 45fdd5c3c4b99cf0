//! The error for a file or a link that another user may have planted. An [`io::Error`] carries it.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::PathBuf,
};

use super::Directory;
use crate::bounded_file::ReadError;

/// A file or a link that another user may have planted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planted {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) owner: u32,
    pub(super) directory: Directory,
    /// The user of this process.
    pub(super) own: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    HardLink,
}

impl Planted {
    /// What to do, in the imperative.
    pub(crate) const HELP: &str = "remove it, create it as the user of this process (the same runAsUser), or use a directory \
                                   that only this user can write to";

    /// Returns the reason in an error of this module, if that is the error.
    pub(crate) fn in_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Like [`Self::in_error`], for an error of [`read`](super::read).
    pub(crate) fn in_read_error(error: &ReadError) -> Option<&Self> {
        match error {
            ReadError::Io(error) => Self::in_error(error),
            _ => None,
        }
    }
}

impl std::error::Error for Planted {}

impl From<Planted> for io::Error {
    fn from(planted: Planted) -> Self {
        Self::new(ErrorKind::PermissionDenied, planted)
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, owner, own, directory: Directory { mode, owner: directory_owner, .. }, .. } = self;
        let what = match self.kind {
            Kind::File => format!("belongs to uid {owner}"),
            Kind::Link => format!("is a symbolic link of uid {owner}"),
            Kind::HardLink => "has several hard links".to_owned(),
        };
        let mode = mode & 0o7777;
        let sticky = if mode & super::STICKY == 0 { "" } else { "sticky " };
        write!(
            f,
            "{path:?} {what} in a {sticky}directory that others can write to (mode {mode:04o}, uid {directory_owner}), and this \
             process is uid {own}: another user may have planted it"
        )
    }
}
