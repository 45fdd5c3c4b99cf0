//! Why a file could not be replaced, and what to do about it.
//!
//! In: what the system answered, and to what. Out: one line for a person, without the file's content.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file could not be replaced; it is what it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ReplaceError {
    /// There is no directory to put the file in.
    #[error("the directory of {path:?} does not exist; create it or mount a volume there")]
    MissingParent {
        /// The file.
        path: PathBuf,
    },
    /// The user that this process runs as may not do it.
    #[error(
        "uid {uid} is not permitted to {action} {path:?}; run as a user that may write there, or set fsGroup so that the volume belongs to one"
    )]
    PermissionDenied {
        /// The file.
        path: PathBuf,
        /// What was refused.
        action: &'static str,
        /// Whom it was refused to.
        uid: u32,
    },
    /// The file system is mounted read-only.
    #[error("the directory of {path:?} is on a read-only file system; mount a writable volume there")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file itself is mounted, so that no other can take its place.
    #[error(
        "{path:?} is a mount point of its own (a Kubernetes subPath or a bind-mounted file), which cannot be replaced atomically; mount the directory that holds it instead"
    )]
    MountPoint {
        /// The file.
        path: PathBuf,
    },
    /// Another writer holds the lock.
    #[error(
        "the directory of {path:?} has been locked by another process for {} s; end that process",
        super::LOCK_TIMEOUT.as_secs()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A directory has the name that the file should have.
    #[error("{path:?} is a directory; name a file in it")]
    IsADirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The same, and it is mounted: the kubelet makes a directory of a subPath that does not exist.
    #[error(
        "{path:?} is a mounted directory; name a file in it, or where this is a Kubernetes subPath, mount the volume itself and not a file in it"
    )]
    MountedDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A device, a FIFO or a socket has it.
    #[error("{path:?} is not a regular file; name another path")]
    NotARegularFile {
        /// The thing.
        path: PathBuf,
    },
    /// The volume or the quota is full.
    #[error("no space is left for {path:?}; make room on its volume or raise the volume's limit")]
    NoSpace {
        /// The file.
        path: PathBuf,
    },
    /// The file is too large to be what it should be.
    #[error("{path:?} is larger than {limit} bytes, so it is hardly a credentials file; name another path")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read.
        limit: u64,
    },
    /// The links on the way lead in a circle.
    #[error("{path:?} goes through too many symbolic links, which probably lead in a circle; mend them")]
    SymlinkLoop {
        /// The path as given.
        path: PathBuf,
    },
    /// Anything else; the cause is part of the line, so a caller that prints the chain of sources prints it twice.
    #[error("cannot {action} {path:?}: {source}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What the system's refusal of an `action` on the file at `path` means.
pub(super) fn explain(path: &Path, action: &'static str, source: io::Error) -> ReplaceError {
    let path = path.to_owned();
    match source.kind() {
        // Whatever is missing is not the file: that one need not exist.
        ErrorKind::NotFound | ErrorKind::NotADirectory => ReplaceError::MissingParent { path },
        ErrorKind::PermissionDenied => {
            ReplaceError::PermissionDenied { path, action, uid: rustix::process::geteuid().as_raw() }
        }
        ErrorKind::ReadOnlyFilesystem => ReplaceError::ReadOnly { path },
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => ReplaceError::MountPoint { path },
        ErrorKind::IsADirectory => ReplaceError::IsADirectory { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ReplaceError::NoSpace { path },
        // The standard library's own name for ELOOP is not stable yet.
        _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            ReplaceError::SymlinkLoop { path }
        }
        _ => ReplaceError::Other { path, action, source },
    }
}
