//! The program that `exec` runs: starts it, forwards signals to it and waits for it.
//!
//! Input: a command, ready to start. Output: its exit status. The program and its parent should not notice that
//! credvend runs between them: the program has credvend's process group, terminal and standard streams.
//! [`forwarded_signals`] tells which signals are forwarded.

pub(crate) mod forwarded_signals;

use std::{
    fs::File,
    io,
    process::{Command, ExitCode},
};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, waitpid};
use signal_hook::{consts::SIGCHLD, low_level::siginfo::Origin};

use crate::process::{child::forwarded_signals::ForwardedSignals, hardening::CoreLimit, reaper::OwnProcess};

/// A running program.
pub(crate) struct Child {
    id: Pid,
    process: OwnProcess,
    /// True for PID 1, which cannot be stopped.
    is_init: bool,
}

/// The exit status of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildStatus {
    /// Exited with this code.
    Exited(u8),
    /// Killed by this signal.
    Killed(i32),
}

impl From<ChildStatus> for ExitCode {
    /// Follows the convention of shells: 128 + N for signal N.
    fn from(ended: ChildStatus) -> Self {
        Self::from(match ended {
            ChildStatus::Exited(code) => code,
            ChildStatus::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        })
    }
}

impl Child {
    /// Starts the program with the core limit that this process inherited.
    ///
    /// # Errors
    /// Returns an error if the program cannot be started.
    pub(crate) fn start(mut command: Command, core_limit: &CoreLimit) -> io::Result<Self> {
        // `Child::wait` of the standard library is not used, because it does not return when the program is stopped.
        let id = Pid::from_child(&core_limit.restore_during(|| command.spawn())?);
        Ok(Self { id, process: OwnProcess::register(id), is_init: getpid() == Pid::INIT })
    }

    /// Forwards signals until the program exits, and returns its exit status.
    pub(crate) async fn wait(self, signals: &mut ForwardedSignals) -> ChildStatus {
        loop {
            if let Some(ended) = self.try_wait() {
                return ended;
            }
            let origin = signals.next().await;
            if origin.signal != SIGCHLD {
                self.forward(&origin);
            }
        }
    }

    fn forward(&self, origin: &Origin) {
        let signal = origin.signal;
        if !forwarded_signals::is_for_child(origin, self.id) {
            tracing::debug!(signal, "signal not forwarded: the program already received it");
        } else if let Some(named_signal) = Signal::from_named_raw(signal) {
            // The PID is still valid because the program has not been reaped.
            let _ = kill_process(self.id, named_signal);
            tracing::debug!(signal, "signal forwarded");
        }
    }

    /// Returns the exit status if the program has exited. If the program is stopped, stops this process too.
    fn try_wait(&self) -> Option<ChildStatus> {
        loop {
            match waitpid(Some(self.id), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((_, status))) => match exit_status(status) {
                    Some(ended) => return Some(ended),
                    None => self.stop_too(status),
                },
                Ok(None) | Err(rustix::io::Errno::INTR) => return None,
                // ECHILD: the reaper was faster.
                Err(_) => {
                    let status = self.process.reaped_status().and_then(exit_status);
                    return Some(status.unwrap_or(ChildStatus::Exited(1)));
                }
            }
        }
    }

    /// Stops this process after the program stopped itself, and continues the program when this process continues. The
    /// shell monitors only this process and must see a stopped job. On ^Z this is not required: the terminal stops both
    /// processes.
    fn stop_too(&self, status: WaitStatus) {
        let has_terminal = File::open("/dev/tty").is_ok();
        let signal = status.stopping_signal().and_then(Signal::from_named_raw);
        if let (true, false, Some(signal)) = (has_terminal, self.is_init, signal) {
            let _ = kill_process(getpid(), signal);
            let _ = kill_process(self.id, Signal::CONT);
        }
    }
}

fn exit_status(status: WaitStatus) -> Option<ChildStatus> {
    let exited = status.exit_status().map(|code| ChildStatus::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
    exited.or_else(|| status.terminating_signal().map(ChildStatus::Killed))
}
