//! `credvend reload`: sends SIGHUP to the `credvend run` of this container, whose image has no `kill`.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt as _};

use clap::Parser as _;
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use crate::{
    command::{Cli, Command, CommandError, Exit},
    process::by_name::{has_name, own_name, processes_named},
    settings::{errors::ConfigErrors, setting::shown},
};

/// Maximum number of process IDs that an error suggests.
const MAX_HINTS: usize = 3;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # After a change of the config file in a mounted ConfigMap
  kubectl exec deploy/checkout -c credvend -- /credvend reload

The log of `credvend run` says whether the configuration was reloaded.")]
pub(crate) struct Args {
    /// Process ID of `credvend run`; it differs from 1 if the pod sets shareProcessNamespace
    #[arg(long, value_name = "PID", default_value = "1")]
    pid: String,
}

/// Sends the signal, if the process is `credvend run`.
pub(super) fn run(args: &Args) -> Result<(), CommandError> {
    let pid = args.pid.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| {
        ConfigErrors::one(format!("{} must be a process ID, which is a number from 1", shown("--pid", &args.pid)))
    })?;
    let failed = |reason: String| CommandError::new(Exit::Other, reason);
    let name = own_name().unwrap_or_else(|| "credvend".to_owned());
    let number = pid.as_raw_nonzero();
    if !is_run(pid, &name) {
        let others: Vec<String> = processes_named(&name)
            .into_iter()
            .filter(|other| is_run(*other, &name))
            .take(MAX_HINTS)
            .map(|other| format!("--pid {}", other.as_raw_nonzero()))
            .collect();
        let help = match others.as_slice() {
            [] => "start `credvend reload` in the container of `credvend run`".to_owned(),
            others => format!("use {}", others.join(" or ")),
        };
        return Err(failed(format!("process {number} is not `credvend run`; {help}")));
    }
    kill_process(pid, Signal::HUP).map_err(|error| {
        let help = match error {
            Errno::PERM => "run `credvend reload` as the same user",
            _ => "check that `credvend run` is running",
        };
        failed(format!("cannot signal process {number}: {error}; {help}"))
    })
}

/// Returns true if the process is `credvend run` without `--once`, whose executable has the name `name`. Other commands and programs
/// may end on SIGHUP.
fn is_run(pid: Pid, name: &str) -> bool {
    let command_line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let arguments = command_line.strip_suffix(b"\0").unwrap_or(&command_line).split(|byte| *byte == 0);
    let parsed = Cli::try_parse_from(arguments.map(|argument| OsString::from_vec(argument.to_owned())));
    has_name(pid, name) && matches!(parsed, Ok(Cli { command: Command::Run(args), .. }) if !args.once)
}
