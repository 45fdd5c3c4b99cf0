//! The program that `exec` runs: started, sent what signals say, waited for.
//!
//! credvend stands between CMD and whoever started it, and neither should notice. CMD has credvend's process group, its
//! terminal and its standard streams; [`signals`] says which signals are passed on. In: a command, ready to start. Out: how it
//! ended.
//!
//! As PID 1 credvend also inherits every orphan of the container and must [wait for it], or dead processes pile up.
//!
//! [wait for it]: https://man7.org/linux/man-pages/man7/pid_namespaces.7.html

pub(crate) mod forwarded_signals;

use std::{
    fs::File,
    io,
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait, waitpid};
use signal_hook::{consts::SIGCHLD, low_level::siginfo::Origin};

use crate::{
    clock::Clock,
    process::{child::forwarded_signals::ForwardedSignals, hardening::CoreLimit},
};

/// How long after a death the dead are counted.
const ORPHAN_AGE: Duration = Duration::from_secs(1);

/// A running program.
pub(crate) struct Child {
    id: Pid,
    /// PID 1 cannot stop, and inherits orphans.
    is_init: bool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl From<Ended> for ExitCode {
    /// A shell's convention: 128 + N for signal N.
    fn from(ended: Ended) -> Self {
        Self::from(match ended {
            Ended::Exited(code) => code,
            Ended::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        })
    }
}

impl Child {
    /// Starts the program, with the core limit that this process was given.
    ///
    /// # Errors
    /// What the system has against it.
    pub(crate) fn start(mut command: Command, core_limit: &CoreLimit) -> io::Result<Self> {
        // Waited for by its number, together with orphans.
        let child = core_limit.lend(|| command.spawn())?;
        Ok(Self { id: Pid::from_child(&child), is_init: getpid() == Pid::INIT })
    }

    /// Passes signals on until the program has ended. While `others_run`, which are waited for elsewhere, nobody is buried: the
    /// kernel does not say whose the dead are before they are gone.
    pub(crate) async fn wait(
        self,
        signals: &mut ForwardedSignals,
        clock: &dyn Clock,
        others_run: fn() -> bool,
    ) -> Ended {
        let mut reap_timer = None;
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            tokio::select! {
                origin = signals.next() => {
                    if origin.signal != SIGCHLD {
                        self.pass_on(&origin);
                    } else if self.is_init && reap_timer.is_none() {
                        reap_timer = Some(clock.sleep(ORPHAN_AGE));
                    }
                }
                () = async { if let Some(due) = &mut reap_timer { due.await } else { std::future::pending().await } } => {
                    reap_timer = None;
                    if others_run() {
                        reap_timer = Some(clock.sleep(ORPHAN_AGE));
                    } else if let Some(ended) = self.reap_orphans() {
                        return ended;
                    }
                }
            }
        }
    }

    fn pass_on(&self, origin: &Origin) {
        let signal = origin.signal;
        if !forwarded_signals::is_for_child(origin, self.id) {
            tracing::debug!(signal, "signal not passed on: the program has it");
        } else if let Some(named) = Signal::from_named_raw(signal) {
            // The number is still its own: it has not been waited for.
            let _ = kill_process(self.id, named);
            tracing::debug!(signal, "signal passed on");
        }
    }

    /// How it ended, if it has; where it has stopped, so does this process.
    fn ended(&self) -> Option<Ended> {
        loop {
            match waitpid(Some(self.id), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((_, status))) => match ended(status) {
                    Some(ended) => return Some(ended),
                    None => self.stop_along(status),
                },
                Ok(None) | Err(rustix::io::Errno::INTR) => return None,
                // Nobody else waits for it; whoever did left no status.
                Err(_) => return Some(Ended::Exited(1)),
            }
        }
    }

    /// The shell sees this process alone: where the program stopped itself, it must see a stopped job, and what it continues is
    /// to continue. On ^Z this is not needed: the terminal stops both.
    fn stop_along(&self, status: WaitStatus) {
        let has_terminal = File::open("/dev/tty").is_ok();
        let signal = status.stopping_signal().and_then(Signal::from_named_raw);
        if let (true, false, Some(signal)) = (has_terminal, self.is_init, signal) {
            let _ = kill_process(getpid(), signal);
            let _ = kill_process(self.id, Signal::CONT);
        }
    }

    /// Waits for whatever is dead; the program itself may be among it.
    fn reap_orphans(&self) -> Option<Ended> {
        let mut own = None;
        while let Ok(Some((id, status))) = wait(WaitOptions::NOHANG) {
            if id == self.id {
                own = ended(status);
            } else {
                tracing::debug!(pid = id.as_raw_nonzero().get(), "orphan buried");
            }
        }
        own
    }
}

fn ended(status: WaitStatus) -> Option<Ended> {
    let exited = status.exit_status().map(|code| Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX)));
    exited.or_else(|| status.terminating_signal().map(Ended::Killed))
}
