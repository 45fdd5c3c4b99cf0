//! Signal handling of `run` and the one-shot commands.
//!
//! In `run`, SIGTERM and SIGINT request a graceful shutdown and SIGHUP requests a reload of the configuration; a second
//! SIGTERM or SIGINT exits immediately. One-shot commands exit at the first signal. They need handlers too: the kernel
//! does not deliver signals without a handler to PID 1 of a container, so an init container would otherwise hang until
//! it is killed.

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

/// Makes SIGTERM and SIGINT exit the process immediately.
pub(crate) fn exit_on_signals() {
    for signal in [SIGTERM, SIGINT] {
        // If a handler cannot be installed, the default action still terminates every process except PID 1.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
    }
}

/// The request that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownSignal {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
}

/// A stream of received signals.
pub(crate) struct ShutdownSignals {
    terminate: UnixStream,
    reload: UnixStream,
}

impl ShutdownSignals {
    /// Installs the signal handlers. The default action of the signals is to terminate the process.
    ///
    /// # Errors
    /// Returns an error if no file descriptors are available.
    pub(crate) fn new() -> io::Result<Self> {
        let received_before = Arc::new(AtomicBool::new(false));
        let (terminate, terminate_writer) = socket_pair()?;
        for signal in [SIGTERM, SIGINT] {
            // The order matters: the first signal finds the flag unset and sets it, the second one finds it set and
            // exits. This happens in the signal handler, so it works even if the runtime is blocked.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&received_before))?;
            flag::register(signal, Arc::clone(&received_before))?;
            low_level::pipe::register(signal, terminate_writer.try_clone()?)?;
        }
        let (reload, reload_writer) = socket_pair()?;
        low_level::pipe::register(SIGHUP, reload_writer)?;
        Ok(Self { terminate, reload })
    }

    /// Waits for the next signal. Termination takes precedence over a reload.
    pub(crate) async fn next(&mut self) -> ShutdownSignal {
        // Each signal is one byte. All requests for a reload that are pending are one request.
        let (mut terminate_byte, mut reload_bytes) = ([0], [0; 4096]);
        tokio::select! {
            biased;
            _ = self.terminate.read(&mut terminate_byte) => ShutdownSignal::Terminate,
            _ = self.reload.read(&mut reload_bytes) => ShutdownSignal::Reload,
        }
    }
}

/// Returns the non-blocking read end and write end of a socket pair.
fn socket_pair() -> io::Result<(UnixStream, StdUnixStream)> {
    let (reader, writer) = StdUnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((UnixStream::from_std(reader)?, writer))
}
