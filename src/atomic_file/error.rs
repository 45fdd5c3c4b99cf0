//! Errors of replacing a file, with instructions to fix them.
//!
//! Input: an error of a system call and the action that failed. Output: a message of one line without the content of
//! the file.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::trusted_path::Planted;

/// Why a file could not be replaced. The file is unchanged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ReplaceError {
    #[error("the directory of {path:?} does not exist; create it or mount a volume there")]
    MissingParent { path: PathBuf },
    #[error(
        "uid {uid} is not permitted to {action} {path:?}; run as a user with write permission, or set fsGroup so that the volume is writable"
    )]
    PermissionDenied {
        path: PathBuf,
        /// A verb phrase that completes "not permitted to" with the path as its object.
        action: &'static str,
        /// The effective user ID.
        uid: u32,
    },
    /// Only the owner of a file, the owner of its directory and root can replace a file in a sticky directory.
    #[error(
        "{path:?} belongs to uid {owner}, and the sticky bit of its directory (every memory-backed emptyDir has it) keeps uid {uid} from replacing it; remove the file, or create it as uid {uid} (the same runAsUser)"
    )]
    Sticky {
        path: PathBuf,
        /// The owner of the file.
        owner: u32,
        /// The effective user ID.
        uid: u32,
    },
    #[error("the directory of {path:?} is on a read-only file system; mount a writable volume there")]
    ReadOnly { path: PathBuf },
    /// The file itself is a mount point, so no other file can replace it.
    #[error(
        "{path:?} is a mount point of its own (a Kubernetes subPath or a bind-mounted file), which cannot be replaced atomically; mount the directory that contains it instead"
    )]
    MountPoint { path: PathBuf },
    /// Another user may have placed the file, or a link to it, in its directory.
    #[error("{0}; {help}", help = Planted::HELP)]
    Planted(#[from] Planted),
    #[error("another process changes {path:?} all the time; end that process")]
    KeepsChanging { path: PathBuf },
    #[error("{path:?} is a directory; set the path to a file in it")]
    IsADirectory { path: PathBuf },
    /// A mounted directory: the kubelet creates a directory for a subPath that does not exist.
    #[error(
        "{path:?} is a mounted directory; set the path to a file in it, or for a Kubernetes subPath, mount the volume itself and not a file in it"
    )]
    MountedDirectory { path: PathBuf },
    /// A device, a FIFO or a socket.
    #[error("{path:?} is not a regular file; set another path")]
    NotARegularFile { path: PathBuf },
    #[error("no space is left for {path:?}; free space on its volume or increase the volume's size limit")]
    NoSpace { path: PathBuf },
    /// The file is too large for a credentials file.
    #[error("{path:?} is larger than {limit} bytes, too large for a credentials file; set another path")]
    TooLarge {
        path: PathBuf,
        /// Maximum size in bytes.
        limit: u64,
    },
    #[error("{path:?} leads through too many symbolic links, which probably form a loop; correct them")]
    SymlinkLoop { path: PathBuf },
    /// Any other error. The message contains the source, so a caller that also prints the source prints it twice.
    #[error("cannot {action} {path:?}: {source}")]
    Other {
        path: PathBuf,
        /// A verb phrase that completes "cannot" with the path as its object.
        action: &'static str,
        source: io::Error,
    },
}

/// Converts the error of an `action` on the file at `path`.
pub(super) fn explain(path: &Path, action: &'static str, source: io::Error) -> ReplaceError {
    if let Some(planted) = Planted::in_error(&source) {
        return planted.clone().into();
    }
    let path = path.to_owned();
    match source.kind() {
        // The missing part is a directory, because the file need not exist.
        ErrorKind::NotFound | ErrorKind::NotADirectory => ReplaceError::MissingParent { path },
        ErrorKind::PermissionDenied => {
            ReplaceError::PermissionDenied { path, action, uid: rustix::process::geteuid().as_raw() }
        }
        ErrorKind::ReadOnlyFilesystem => ReplaceError::ReadOnly { path },
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => ReplaceError::MountPoint { path },
        ErrorKind::IsADirectory => ReplaceError::IsADirectory { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ReplaceError::NoSpace { path },
        // `ErrorKind::FilesystemLoop` (ELOOP) is not stable yet.
        _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            ReplaceError::SymlinkLoop { path }
        }
        _ => ReplaceError::Other { path, action, source },
    }
}
