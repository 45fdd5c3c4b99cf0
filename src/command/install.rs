//! `credvend install`: copies this very binary into a directory, for containers that share it over a volume.
//!
//! The copy is whole or it is not there: it is written beside its place, flushed, and renamed over whatever was there, even over
//! a copy that is running.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::ValueHint;

use crate::{
    atomic_file::{LOCK_TIMEOUT, lock, temporary_file},
    command::{CommandError, Exit},
};

/// This binary, even where its own file was replaced or removed since it was started.
const OWN_BINARY: &str = "/proc/self/exe";
const NAME: &str = "credvend";
const MODE: u32 = 0o755;

/// What `install` takes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # As an init container, into an emptyDir volume that other containers mount
  command: [\"/credvend\", \"install\", \"/shared\"]

  # Then, in an application's AWS config file
  credential_process = /shared/credvend process --from-endpoint

  # On a machine
  credvend install ~/.local/bin")]
pub(crate) struct Args {
    /// Directory that gets the file `credvend`, executable by all
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// Copies the binary.
pub(super) fn run(args: &Args) -> Result<(), CommandError> {
    let path = args.directory.join(NAME);
    copy(&args.directory, &path).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "there is no such directory: mount a volume there, or create it",
            io::ErrorKind::NotADirectory => "name a directory",
            io::ErrorKind::IsADirectory => "name a directory that holds no directory of this name",
            io::ErrorKind::PermissionDenied => "let this container's user write there (fsGroup in its securityContext)",
            io::ErrorKind::ReadOnlyFilesystem => "mount the volume without readOnly here",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "raise the volume's sizeLimit",
            _ => "see that the volume is mounted and writable",
        };
        CommandError::new(Exit::Sink, format!("cannot install {}: {}; {help}", path.display(), error.kind()))
    })?;
    tracing::info!(path = %path.display(), "installed");
    Ok(())
}

fn copy(directory: &Path, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if fs::metadata(directory)?.is_file() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut binary = File::open(OWN_BINARY)?;
    let directory_file = File::open(directory)?;
    // Held until the copy has its name: whoever clears temporary files away holds it too. Where it cannot be had, that is unlikely
    // enough. One that a killed install leaves behind goes with the next `run` that writes a credentials file there.
    let _ = lock(&directory_file, LOCK_TIMEOUT);
    let mut copy = temporary_file().tempfile_in(directory)?;
    io::copy(&mut binary, copy.as_file_mut())?;
    // Whatever the umask.
    copy.as_file().set_permissions(Permissions::from_mode(MODE))?;
    copy.as_file().sync_all()?;
    copy.persist(path)?;
    directory_file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::probe;

    #[test]
    fn what_a_killed_install_leaves_behind_is_cleared() {
        let directory = tempfile::tempdir().expect("a directory");
        let (_, left_behind) = temporary_file().tempfile_in(directory.path()).expect("made").keep().expect("kept");
        probe(&directory.path().join("credentials"), 0o600).expect("can be written");
        assert!(!left_behind.exists());
    }
}
