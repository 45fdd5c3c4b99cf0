//! Signals: SIGTERM and SIGINT ask to end, SIGHUP to read the configuration again; a second SIGTERM or SIGINT ends at once.
//! One-shots end at the first: the kernel spares the process 1 of a container what it did not ask for, so an init container
//! without handlers would hang until it is killed.

use std::{
    io,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

/// Has SIGTERM and SIGINT end the process at once.
pub(crate) fn exit_on_signals() {
    for signal in [SIGTERM, SIGINT] {
        // Where a handler cannot be installed, the default still ends every process but a container's first.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownSignal {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
}

/// The signals from now on.
pub(crate) struct ShutdownSignals {
    end: UnixStream,
    reload: UnixStream,
}

impl ShutdownSignals {
    /// Takes the signals over from the system, whose default is to kill.
    ///
    /// # Errors
    /// Where the system has no file descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let asked_before = Arc::new(AtomicBool::new(false));
        let (end, end_of_handler) = pair()?;
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down and raises it, the second finds it up. This works in the
            // handler itself, so even where the runtime is stuck.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked_before))?;
            flag::register(signal, Arc::clone(&asked_before))?;
            low_level::pipe::register(signal, end_of_handler.try_clone()?)?;
        }
        let (reload, reload_of_handler) = pair()?;
        low_level::pipe::register(SIGHUP, reload_of_handler)?;
        Ok(Self { end, reload })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> ShutdownSignal {
        let (mut one, mut other) = ([0], [0]);
        tokio::select! {
            biased;
            _ = self.end.read(&mut one) => ShutdownSignal::Terminate,
            _ = self.reload.read(&mut other) => ShutdownSignal::Reload,
        }
    }
}

fn pair() -> io::Result<(UnixStream, StdUnixStream)> {
    let (ours, handler) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    handler.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, handler))
}
