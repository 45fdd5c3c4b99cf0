//! `credvend export`: writes the credentials of one profile to stdout or to a file.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::Errno};

use crate::{
    atomic_file::{LOCK_TIMEOUT, ReplaceError, replace_within},
    cli::IdentityArgs,
    clock::{Clock as _, SystemClock},
    command::{CommandError, Exit, oneshot, output::print},
    process::blocking::spawn_blocking,
    settings::{environment::Environment, errors::ConfigErrors, file_mode, setting::shown},
    sink::export::{Exported, Format},
};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # Set the credentials in the current shell
  eval \"$(credvend export)\"

  # Set the credentials of a profile, whose chain can span accounts
  eval \"$(credvend export --profile account_b_role)\"

  # Print credentials for a session of 30 minutes, as JSON
  credvend export --duration 30m --format json

  # Write the credentials to a file that only its owner can read
  credvend export --output /run/aws.env")]
pub(crate) struct Args {
    /// Output format: env, env-no-export, dotenv, docker, fish, powershell, windows-cmd, json or credentials
    #[arg(long, value_name = "FORMAT", default_value = "env")]
    format: String,

    /// Write to this file instead of stdout; replaces the file atomically. -, /dev/stdout and /dev/fd/N are streams
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Mode of the output file [env: CREDVEND_FILE_MODE] [default: 0600]
    #[arg(long, value_name = "OCTAL")]
    file_mode: Option<String>,

    /// Timeout of the whole command, including retries [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Exports the credentials.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let format = Format::named(&args.format).ok_or_else(|| {
        let names = Format::ALL.map(|format| format.to_string()).join(", ");
        ConfigErrors::one(format!("{} must be one of {names}", shown("--format", &args.format)))
    })?;
    let mode = file_mode::parse(args.file_mode.as_ref(), env)?;
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let clock = SystemClock::new();
    let started = clock.now();
    let (lease, chain) = oneshot::provide_single_profile(&args.identity, env, timeout).await?;
    let exported = Exported {
        credentials: &lease.credentials,
        region: chain.region.as_ref(),
        profile: &chain.profile,
        inherits: &|name| env.raw(name).is_some(),
    };
    let text = format.render(exported).map_err(|error| CommandError::new(Exit::Sink, error))?;
    let Some(path) = &args.output else { return print(&text) };
    let not_written = |reason: String| CommandError::new(Exit::Sink, format!("output file not written: {reason}"));
    if let Some(number) = descriptor(path) {
        if number == 1 {
            return print(&text);
        }
        let write = spawn_blocking(move || write_to_descriptor(number, text.as_bytes()));
        return oneshot::write_with_timeout(&clock, started, timeout, write)
            .await?
            .map_err(|error| not_written(format!("{}: {error}; check its redirection", path.display())));
    }
    let path = path.clone();
    // Leave time to write without the lock.
    let lock_timeout = LOCK_TIMEOUT.min(timeout.saturating_sub(clock.now().since(started)) / 2);
    let write =
        spawn_blocking(move || replace_within(&path, mode, lock_timeout, |_| Ok::<_, ReplaceError>(text.as_bytes())));
    oneshot::write_with_timeout(&clock, started, timeout, write)
        .await?
        .map(drop)
        .map_err(|error| not_written(error.to_string()))
}

/// Returns the number of the descriptor that a path stands for: `-` is stdout. The descriptors belong to this process, so nobody
/// else can have planted what they refer to.
fn descriptor(path: &Path) -> Option<u32> {
    match path.to_str()? {
        "-" | "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        path => ["/dev/fd/", "/proc/self/fd/"].iter().find_map(|prefix| path.strip_prefix(prefix)?.parse().ok()),
    }
}

/// Returns true if the descriptor is open and not one that this process opened itself: these have the flag close-on-exec.
fn is_inherited(number: u32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() == 0)
}

/// Writes to an open descriptor. Ignores a closed pipe, because the reader needs no more output.
fn write_to_descriptor(number: u32, text: &[u8]) -> io::Result<()> {
    let written = if number == 2 {
        io::stderr().write_all(text)
    } else if !is_inherited(number) {
        Err(io::Error::from_raw_os_error(Errno::BADF.raw_os_error()))
    } else {
        // Opening it again needs no `unsafe`. With `append`, a file that the shell has redirected to keeps its content.
        File::options().append(true).open(format!("/proc/self/fd/{number}")).and_then(|mut file| file.write_all(text))
    };
    written.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
