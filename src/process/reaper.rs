//! Reaps orphaned processes.
//!
//! PID 1 of a container inherits every process whose parent has exited, for example what a `credential_process` leaves
//! behind, and so does a child subreaper. It must [reap] them, otherwise zombies accumulate.
//!
//! The system call that waits for any process also returns the processes that credvend has started itself. Their exit
//! statuses are kept until the code that started them asks for them.
//!
//! [reap]: https://man7.org/linux/man-pages/man7/pid_namespaces.7.html

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, WaitOptions, WaitStatus, child_subreaper, getpid, wait};
use signal_hook::{consts::SIGCHLD, low_level};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

use crate::{clock::Clock, process::signal_pipe};

/// Delay between a SIGCHLD and reaping, in which credvend's own processes are usually waited for where they were started.
const REAP_DELAY: Duration = Duration::from_secs(1);

/// The running processes that credvend has started, with their exit statuses if the reaper has taken them.
static OWN_PROCESSES: Mutex<BTreeMap<i32, Option<WaitStatus>>> = Mutex::new(BTreeMap::new());

fn own_processes() -> MutexGuard<'static, BTreeMap<i32, Option<WaitStatus>>> {
    OWN_PROCESSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that credvend has started. The reaper keeps its exit status as long as this value exists.
pub(crate) struct OwnProcess(Pid);

impl OwnProcess {
    /// Registers a process. Call it after the start and before the next `await`, because the reaper runs in a task.
    pub(crate) fn register(id: Pid) -> Self {
        own_processes().insert(id.as_raw_nonzero().get(), None);
        Self(id)
    }

    /// Returns the exit status if the reaper has taken it.
    pub(crate) fn reaped_status(&self) -> Option<WaitStatus> {
        own_processes().get(&self.0.as_raw_nonzero().get()).copied().flatten()
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        own_processes().remove(&self.0.as_raw_nonzero().get());
    }
}

/// Reaps orphaned processes.
pub(crate) struct Reaper {
    /// Receives a byte for each SIGCHLD.
    exits: UnixStream,
}

impl Reaper {
    /// Returns a reaper if this process inherits orphaned processes: as PID 1 or as a child subreaper.
    ///
    /// # Errors
    /// Returns an error if no file descriptors are available.
    pub(crate) fn new() -> io::Result<Option<Self>> {
        if getpid() != Pid::INIT && !child_subreaper().is_ok_and(|attribute| attribute.is_some()) {
            return Ok(None);
        }
        let (exits, writer) = signal_pipe::pair()?;
        low_level::pipe::register(SIGCHLD, writer)?;
        Ok(Some(Self { exits: UnixStream::from_std(exits)? }))
    }

    /// Reaps until the task is cancelled.
    pub(crate) async fn run(mut self, clock: Arc<dyn Clock>) {
        loop {
            // The first time without a signal: orphaned processes can exit before the handler is installed.
            reap();
            let _ = self.exits.read(&mut [0; 64]).await;
            clock.sleep(REAP_DELAY).await;
        }
    }
}

/// Reaps all processes that have exited.
fn reap() {
    while let Ok(Some((id, status))) = wait(WaitOptions::NOHANG) {
        let pid = id.as_raw_nonzero().get();
        match own_processes().get_mut(&pid) {
            Some(own) => *own = Some(status),
            None => tracing::debug!(pid, "reaped orphaned process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn exit_status_of_an_own_process_is_kept_and_other_processes_are_reaped() {
        let start = |script: &str| Pid::from_child(&Command::new("sh").args(["-c", script]).spawn().expect("started"));
        let own = OwnProcess::register(start("exit 7"));
        let other = start("exit 8");
        while own.reaped_status().is_none() || waits_for(other) {
            reap();
        }
        assert_eq!(own.reaped_status().and_then(WaitStatus::exit_status), Some(7));
        let id = own.0.as_raw_nonzero().get();
        drop(own);
        assert!(!own_processes().contains_key(&id));
    }

    fn waits_for(id: Pid) -> bool {
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT).is_ok()
    }
}
