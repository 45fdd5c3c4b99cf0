//! A program that credvend starts for itself: a `credential_process`, or the command of `--on-write`.
//!
//! The program has a process group of its own, which is killed unless the program has ended, and no stdin.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use crate::{process::reaper::OwnProcess, scrubber::Scrubber};

/// Number of bytes to keep from the end of an output, which contain its last line.
const TAIL: usize = 4 * 1024;
/// Maximum length of the last line of an output, in characters.
const MAX_LINE_LENGTH: usize = 300;

/// A running program. Dropping this value kills the processes of its group, unless the program has ended.
pub(crate) struct Program {
    child: Child,
    group: Option<Pid>,
    own_process: Option<OwnProcess>,
}

impl Program {
    /// Starts the program.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group, own_process: group.map(OwnProcess::register) })
    }

    /// Returns the piped outputs.
    pub(crate) fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits until the program ends. The other processes of its group go on.
    ///
    /// # Errors
    /// Returns an error if the status is not available.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await.or_else(|error| {
            // If the reaper was faster, it has the status.
            let status = self.own_process.as_ref().and_then(OwnProcess::reaped_status).ok_or(error)?;
            Ok::<_, io::Error>(ExitStatus::from_raw(status.as_raw()))
        })?;
        // From now on, the process ID can belong to another process.
        self.group = None;
        Ok(status)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails if no process of the group is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads a pipe to its end, so that the writer never blocks, and keeps the last bytes in `tail`.
pub(crate) async fn read_tail(pipe: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    tail.reserve(2 * TAIL);
    while let Ok(1..) = pipe.read_buf(tail).await {
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}

/// Returns the last line of an output, safe to log.
pub(crate) fn last_line(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let line = output.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    Scrubber::new([]).clean_to(MAX_LINE_LENGTH, line)
}

/// Describes the end of a program.
pub(crate) fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended without an exit status".to_owned(),
    }
}
