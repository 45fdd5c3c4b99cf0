//! `credvend install`: copies this binary to a directory, for containers that share it through a volume.
//!
//! The copy is atomic. credvend writes a temporary file in the directory, flushes it, and renames it. The rename replaces an
//! older copy, even a running one, and a symbolic link itself.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use clap::ValueHint;

use crate::{
    atomic_file,
    command::{CommandError, Exit},
    trusted_path::Planted,
};

/// This binary. The path works even if the file was replaced or removed after the process started.
const OWN_BINARY: &str = "/proc/self/exe";
const NAME: &str = "credvend";
const MODE: u32 = 0o755;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # In an init container, install to an emptyDir volume that other containers mount
  command: [\"/credvend\", \"install\", \"/shared\"]

  # Use the copy in the AWS config file of an application
  credential_process = /shared/credvend process --from-endpoint

  # Install on a workstation or a node
  credvend install ~/.local/bin")]
pub(crate) struct Args {
    /// Directory for the file `credvend`, which is executable by all users
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// Copies the binary.
pub(super) fn run(args: &Args) -> Result<(), CommandError> {
    let path = args.directory.join(NAME);
    copy(&args.directory, &path).map_err(|error| {
        if let Some(planted) = Planted::in_error(&error) {
            let line = format!("cannot install {}: {planted}; {}", path.display(), Planted::HELP);
            return CommandError::new(Exit::Sink, line);
        }
        let help = match error.kind() {
            io::ErrorKind::NotFound => "mount a volume at this directory, or create it",
            io::ErrorKind::NotADirectory => "specify a directory",
            io::ErrorKind::IsADirectory => "specify a directory that does not contain a directory of this name",
            io::ErrorKind::PermissionDenied => {
                "give the user of this container write permission (fsGroup in the securityContext)"
            }
            io::ErrorKind::ReadOnlyFilesystem => "mount the volume without readOnly in this container",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "increase the sizeLimit of the volume",
            _ => "check that the volume is mounted and writable",
        };
        CommandError::new(Exit::Sink, format!("cannot install {}: {}; {help}", path.display(), error.kind()))
    })?;
    tracing::info!(path = %path.display(), "binary installed");
    Ok(())
}

fn copy(directory: &Path, path: &Path) -> io::Result<()> {
    if fs::metadata(directory)?.is_file() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    atomic_file::install(path, MODE, &mut File::open(OWN_BINARY)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_file_of_a_killed_install_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let leftover = directory.path().join(".credvend-killed123456.tmp");
        fs::write(&leftover, "half a binary").expect("written");
        copy(directory.path(), &directory.path().join(NAME)).expect("installed");
        assert!(!leftover.exists());
    }
}
