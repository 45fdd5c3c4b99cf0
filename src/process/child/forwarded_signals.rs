//! Determines which signals to forward, so that the program receives each signal exactly once.
//!
//! A signal that a process sent to credvend is meant for the program and is forwarded. A signal from the kernel comes
//! from the terminal (`^C`, `^\`, a resize), which signals every process of the foreground group. The program has
//! already received it, and may treat a second SIGINT as a request to exit immediately. The exception is the hang-up of
//! a terminal: only the session leader receives it.
//!
//! SIGTSTP, SIGTTIN, SIGTTOU and SIGCONT keep their default actions: credvend stops and continues with its process
//! group. Signals that were ignored at start (`nohup`, background jobs of a shell) stay ignored in credvend and in the
//! program.
//!
//! [Signals](https://man7.org/linux/man-pages/man7/signal.7.html).

use std::{collections::VecDeque, io};

use rustix::process::{Pid, getpid, getsid};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH},
    iterator::{backend::SignalDelivery, exfiltrator::origin::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

use crate::process::{ignored_signals::IgnoredSignals, signal_pipe};

const FORWARDED: [i32; 7] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// A stream of received signals, each with its origin.
pub(crate) struct ForwardedSignals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    pending: VecDeque<Origin>,
}

impl ForwardedSignals {
    /// Installs handlers for the signals, whose default action is to terminate the process or to ignore the signal.
    ///
    /// # Errors
    /// Returns an error if no file descriptors are available.
    pub(crate) fn new() -> io::Result<Self> {
        let ignored = IgnoredSignals::read();
        let caught = FORWARDED.into_iter().filter(|signal| !ignored.contains(*signal)).chain([SIGCHLD]);
        let (ours, handler) = signal_pipe::pair()?;
        let ours = UnixStream::from_std(ours)?;
        let delivery = SignalDelivery::with_pipe(ours, handler, WithOrigin::default(), caught)?;
        Ok(Self { delivery, pending: VecDeque::new() })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Origin {
        loop {
            if let Some(origin) = self.pending.pop_front() {
                return origin;
            }
            // Each byte announces at least one pending signal.
            let _ = self.delivery.get_read_mut().read(&mut [0; 64]).await;
            self.pending.extend(self.delivery.pending());
        }
    }

    /// Waits for the next signal whose default action terminates the process.
    pub(crate) async fn next_fatal(&mut self) -> i32 {
        loop {
            let signal = self.next().await.signal;
            if ![SIGCHLD, SIGWINCH].contains(&signal) {
                return signal;
            }
        }
    }
}

/// Returns true if the program has not received this signal yet.
pub(super) fn is_for_child(origin: &Origin, child: Pid) -> bool {
    if matches!(origin.cause, Cause::Kernel) {
        return origin.signal == SIGHUP && getsid(None) == Ok(getpid());
    }
    // A program that signals its process group (`kill 0`) has signalled itself, too.
    origin.process.is_none_or(|sender| Some(child) != Pid::from_raw(sender.pid))
}
