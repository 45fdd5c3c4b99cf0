//! The environment, the files and the user of an application: of this process, or of another one through `/proc`.

use std::{
    fs::{File, Metadata},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use zeroize::Zeroizing;

use crate::{
    bounded_file::{self, FifoPolicy, ReadError},
    settings::environment::Environment,
};

/// Maximum size of a file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Maximum size of an environment, in bytes.
const MAX_ENVIRONMENT: u64 = 16 * 1024 * 1024;

/// What an SDK in an application sees.
pub(crate) struct Surroundings<'a> {
    env: &'a dyn Environment,
    process: Option<Process>,
}

/// Another process.
struct Process {
    /// Variables, `NAME=VALUE`, each followed by a null byte.
    environ: Zeroizing<Vec<u8>>,
    root: OwnedFd,
    /// Working directory, as a path below `root`.
    directory: PathBuf,
    user: u32,
    groups: Vec<u32>,
}

impl<'a> Surroundings<'a> {
    /// Returns the surroundings of this process.
    pub(crate) fn of_this_process(env: &'a dyn Environment) -> Self {
        Self { env, process: None }
    }

    /// Returns the surroundings of the process `pid`. `env` is not used for it.
    ///
    /// # Errors
    /// Returns an error if this process may not read the environment or the files of the other one.
    pub(crate) fn of_process(env: &'a dyn Environment, pid: &str) -> Result<Self, String> {
        Ok(Self { env, process: Some(Process::open(pid)?) })
    }

    /// Returns the value of a variable that is set, even if it is empty.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        match &self.process {
            Some(process) => process.variable(name),
            None => self.env.raw(name).map(|value| value.to_string_lossy().into_owned()),
        }
    }

    /// Returns the value of a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// Returns the first of these variables that is set and not empty, with its value.
    pub(super) fn first_of<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| Some((*name, self.variable(name)?)))
    }

    /// Returns the path of a shared file in the home directory.
    pub(super) fn in_home(&self, name: &str) -> Option<String> {
        Some(format!("{}/.aws/{name}", self.variable("HOME")?))
    }

    /// Returns the home directory of the user in the user database, where Java looks instead of in `HOME`.
    pub(super) fn home_of_user(&self) -> Option<String> {
        let own = || rustix::process::geteuid().as_raw();
        let user = self.process.as_ref().map_or_else(own, |process| process.user).to_string();
        let database = self.read("/etc/passwd").ok()?;
        let database = String::from_utf8_lossy(&database);
        let fields =
            database.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line.get(2) == Some(&&*user));
        fields?.get(5).map(|home| (*home).to_owned())
    }

    /// Expands a leading `~/` to the home directory.
    pub(super) fn expand_home(&self, path: String) -> String {
        match (path.strip_prefix("~/"), self.variable("HOME")) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => path,
        }
    }

    /// Reads a file as the application would.
    ///
    /// # Errors
    /// Returns an error if the file does not exist, or if the application may not read it.
    pub(super) fn read(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        let Some(process) = &self.process else {
            return bounded_file::read_bytes(Path::new(path), MAX_FILE, FifoPolicy::Refuse);
        };
        let (file, metadata) = process.open_file(Path::new(path))?;
        bounded_file::read_opened(&file, &metadata, MAX_FILE, FifoPolicy::Refuse)
    }

    /// Returns true if there is a file at the path.
    pub(super) fn exists(&self, path: &str) -> bool {
        match &self.process {
            None => Path::new(path).exists(),
            Some(process) => process.open_at(Path::new(path), OFlags::PATH).is_ok(),
        }
    }
}

impl Process {
    fn open(pid: &str) -> Result<Self, String> {
        let path = |name: &str| format!("/proc/{pid}/{name}");
        let failed = |name: &str, error: io::Error| {
            let help = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "run as the user and the group of that process, or as root with the capability SYS_PTRACE"
                }
                _ => "specify a running process of this process namespace",
            };
            format!("--pid: cannot read {}: {}; {help}", path(name), error.kind())
        };
        let read = |name: &str| {
            let bytes = bounded_file::read_bytes(Path::new(&path(name)), MAX_ENVIRONMENT, FifoPolicy::Refuse);
            bytes.map_err(|error| match error {
                ReadError::Io(error) => failed(name, error),
                _ => failed(name, io::ErrorKind::InvalidData.into()),
            })
        };
        let status = read("status")?;
        let environ = read("environ")?;
        let root = rustix::fs::open(path("root"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed("root", error.into()))?;
        let directory = std::fs::read_link(path("cwd")).map_err(|error| failed("cwd", error))?;
        let status = String::from_utf8_lossy(&status);
        let numbers = |key: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        // The fourth number is the ID for access to files.
        let last = |key| numbers(key).last().copied().unwrap_or(u32::MAX);
        let mut groups = numbers("Groups:");
        groups.push(last("Gid:"));
        Ok(Self { environ, root, directory, user: last("Uid:"), groups })
    }

    fn variable(&self, name: &str) -> Option<String> {
        let value = |variable: &[u8]| -> Option<String> {
            let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        self.environ.split(|&byte| byte == 0).find_map(value)
    }

    /// Opens a file below the root directory of the process. Absolute symbolic links start there too.
    fn open_file(&self, path: &Path) -> Result<(File, Metadata), ReadError> {
        let path = self.directory.join(path);
        for directory in path.ancestors().skip(1) {
            let (_, metadata) = self.open_at(directory, OFlags::PATH)?;
            self.require(&metadata, 1)?;
        }
        let (file, metadata) = self.open_at(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        self.require(&metadata, 4)?;
        Ok((file, metadata))
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> Result<(File, Metadata), ReadError> {
        // `openat2` resolves an empty path to nothing, and IN_ROOT takes absolute paths from the root.
        let opened = openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = File::from(opened.map_err(|error| ReadError::Io(error.into()))?);
        let metadata = file.metadata()?;
        Ok((file, metadata))
    }

    /// Checks a permission bit for the user of the process: 4 to read a file, 1 to pass a directory.
    fn require(&self, metadata: &Metadata, bit: u32) -> io::Result<()> {
        let shift = match () {
            () if self.user == 0 => return Ok(()),
            () if metadata.uid() == self.user => 6,
            () if self.groups.contains(&metadata.gid()) => 3,
            () => 0,
        };
        if metadata.mode() >> shift & bit == 0 { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }
}
