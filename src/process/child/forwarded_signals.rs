//! Which signals reach the program, so that each reaches it once.
//!
//! A signal that some process sent to credvend is meant for the program, and is passed on. One that the kernel sent comes from
//! the terminal (`^C`, `^\`, a resize), which signals every process of the foreground group: the program has it already, and
//! would take a second SIGINT for impatience. Only the hang-up of a terminal is told to the session's leader alone.
//!
//! SIGTSTP, SIGTTIN, SIGTTOU and SIGCONT are left to the kernel: credvend stops and goes on with its group. What was ignored at
//! start (`nohup`, a shell's background jobs) stays ignored, here and in the program.
//! [Signals and terminals](https://man7.org/linux/man-pages/man7/signal.7.html).

use std::{collections::VecDeque, io, os::unix::net::UnixStream as StdUnixStream};

use rustix::process::{Pid, getpid, getsid};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH},
    iterator::{backend::SignalDelivery, exfiltrator::origin::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

const FORWARDED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The signals from now on, each with its sender.
pub(crate) struct ForwardedSignals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    arrived: VecDeque<Origin>,
}

impl ForwardedSignals {
    /// Takes the signals over from the system, whose default is to kill.
    ///
    /// # Errors
    /// Where the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let ignored = std::fs::read_to_string("/proc/self/status").map(|status| ignored(&status)).unwrap_or_default();
        let caught = FORWARDED.into_iter().filter(|signal| ignored & bit(*signal) == 0).chain([SIGCHLD]);
        let (ours, handler) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        handler.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let delivery = SignalDelivery::with_pipe(ours, handler, WithOrigin::default(), caught)?;
        Ok(Self { delivery, arrived: VecDeque::new() })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Origin {
        loop {
            if let Some(origin) = self.arrived.pop_front() {
                return origin;
            }
            // A byte says that there is something to collect, however much.
            let _ = self.delivery.get_read_mut().read(&mut [0; 64]).await;
            self.arrived.extend(self.delivery.pending());
        }
    }

    /// The next signal that ends a program which does not handle it.
    pub(crate) async fn next_deadly(&mut self) -> i32 {
        loop {
            let signal = self.next().await.signal;
            if ![SIGCHLD, SIGWINCH].contains(&signal) {
                return signal;
            }
        }
    }
}

/// Whether the program has yet to hear of this signal.
pub(super) fn is_for_child(origin: &Origin, child: Pid) -> bool {
    if matches!(origin.cause, Cause::Kernel) {
        return origin.signal == SIGHUP && getsid(None) == Ok(getpid());
    }
    // A program that signals its whole group (`kill 0`) has told itself.
    origin.process.is_none_or(|sender| Some(child) != Pid::from_raw(sender.pid))
}

/// The set of ignored signals in `/proc/self/status`.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_kernel_s_set() {
        let set = ignored("Name:\tcredvend\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\nSigCgt:\t0\n");
        assert_eq!(set, bit(SIGHUP) | bit(SIGINT) | bit(signal_hook::consts::SIGPIPE));
        assert_eq!(ignored("Name:\tcredvend\n"), 0);
    }
}
