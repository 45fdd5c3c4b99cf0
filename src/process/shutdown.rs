//! Handlers of SIGTERM, SIGINT and SIGHUP, installed before anything else.
//!
//! In `run`, SIGTERM and SIGINT request a graceful shutdown and SIGHUP requests a reload of the configuration; a second
//! SIGTERM or SIGINT exits immediately. The other commands exit at the first signal, except for the moment in which a
//! temporary file has a name; a second signal does not wait for that. They need handlers too: the kernel does not deliver
//! signals without a handler to PID 1 of a container, so an init container would otherwise hang until it is killed. `exec`
//! replaces the handlers by its own.
//!
//! A signal that arrives before the command is known is kept for it. Signals that were ignored at start (`nohup`,
//! background jobs of a shell) stay ignored, except in `run`.

use std::{
    io,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    SigId,
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

use crate::{
    atomic_file::critical_section,
    process::{ignored_signals::IgnoredSignals, signal_pipe},
};

/// The installed handlers.
pub(crate) struct SignalHandlers {
    terminate: StdUnixStream,
    terminate_writer: StdUnixStream,
    reload: StdUnixStream,
    reload_writer: StdUnixStream,
    /// The last signal that was received; 0 if there was none.
    received: Arc<AtomicUsize>,
    /// Whether the next SIGTERM or SIGINT, or SIGHUP outside `run`, exits the process. The first one sets it.
    terminate_exits: Arc<AtomicBool>,
    /// The signals that have handlers.
    handled: Vec<i32>,
    ids: Vec<SigId>,
}

impl SignalHandlers {
    /// Installs handlers for the signals that are not ignored. They record the signals.
    ///
    /// # Errors
    /// Returns an error if no file descriptors are available.
    pub(crate) fn install() -> io::Result<Self> {
        let (terminate, terminate_writer) = signal_pipe::pair()?;
        let (reload, reload_writer) = signal_pipe::pair()?;
        let mut handlers = Self {
            terminate,
            terminate_writer,
            reload,
            reload_writer,
            received: Arc::default(),
            terminate_exits: Arc::default(),
            handled: Vec::new(),
            ids: Vec::new(),
        };
        let ignored = IgnoredSignals::read();
        for signal in [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| !ignored.contains(*signal)) {
            handlers.handle(signal)?;
        }
        Ok(handlers)
    }

    /// Installs the handler of a signal that has none.
    fn handle(&mut self, signal: i32) -> io::Result<()> {
        if self.handled.contains(&signal) {
            return Ok(());
        }
        self.handled.push(signal);
        let is_hangup = signal == SIGHUP;
        if !is_hangup {
            // The order matters: the first signal finds the flag unset and sets it, the second one finds it set and exits.
            // This happens in the signal handler, so it works even if the runtime is blocked.
            self.exit_if(signal, &self.terminate_exits.clone())?;
            self.ids.push(flag::register(signal, Arc::clone(&self.terminate_exits))?);
        }
        self.ids.push(flag::register_usize(signal, Arc::clone(&self.received), number(signal))?);
        let writer = if is_hangup { &self.reload_writer } else { &self.terminate_writer };
        self.ids.push(low_level::pipe::register(signal, writer.try_clone()?)?);
        Ok(())
    }

    /// Makes the signals exit the process with 128 + N for signal N: immediately, or at the end of a
    /// [critical section](critical_section) that is open.
    ///
    /// # Errors
    /// Returns the number of a signal that was received before, or an error if a handler cannot be installed.
    pub(crate) fn exit_immediately(&mut self) -> io::Result<Option<u8>> {
        let permission = critical_section::exit_permission();
        critical_section::raise_at_the_end(&self.received);
        let is_second = Arc::clone(&self.terminate_exits);
        for signal in self.handled.clone() {
            // The order matters. The handler records the signal before it looks for the permission, and a section gives the
            // permission before it looks for a signal, so no signal is overlooked.
            if signal == SIGHUP {
                self.exit_if(signal, &is_second)?;
                self.ids.push(flag::register(signal, Arc::clone(&is_second))?);
            }
            self.exit_if(signal, &permission)?;
        }
        Ok(u8::try_from(self.received.load(Ordering::SeqCst)).ok().filter(|signal| *signal > 0))
    }

    /// Makes the handler of a signal exit the process if `condition` is set.
    fn exit_if(&mut self, signal: i32, condition: &Arc<AtomicBool>) -> io::Result<()> {
        self.ids.push(flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(condition))?);
        Ok(())
    }

    /// Returns a stream of the signals, which starts with those that were received before.
    ///
    /// # Errors
    /// Returns an error if no file descriptors are available.
    pub(crate) fn into_stream(mut self) -> io::Result<ShutdownSignals> {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            self.handle(signal)?;
        }
        Ok(ShutdownSignals {
            terminate: UnixStream::from_std(self.terminate)?,
            reload: UnixStream::from_std(self.reload)?,
        })
    }

    /// Removes the handlers. The signals are ignored unless there are other handlers.
    pub(crate) fn remove(self) {
        for id in self.ids {
            low_level::unregister(id);
        }
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

fn number(signal: i32) -> usize {
    usize::try_from(signal).unwrap_or_default()
}

impl ShutdownSignals {
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
