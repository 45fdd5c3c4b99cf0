//! The advisory lock on the directory of a file.
//!
//! Every process that can read the directory can take it, and hold it for as long as it likes. This is why a writer goes on
//! after [`LOCK_TIMEOUT`]; a lock file of our own could be held in the same way.
//! [`flock(2)`](https://man7.org/linux/man-pages/man2/flock.2.html).

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    time::Duration,
};

/// Maximum time to wait for the lock of another writer.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between attempts to take the lock. A blocking `flock` could block its thread forever.
pub(super) const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The result of [`lock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Held,
    /// Another process holds it.
    TimedOut,
    /// The file system does not support locks.
    Unsupported,
}

/// Takes the lock, and waits for it for at most `timeout`.
pub(super) fn lock(directory: &File, timeout: Duration) -> Lock {
    for _ in 0..=timeout.as_millis() / LOCK_POLL_INTERVAL.as_millis() {
        match directory.try_lock() {
            Ok(()) => return Lock::Held,
            Err(TryLockError::WouldBlock) => super::wait(LOCK_POLL_INTERVAL),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(_)) => return Lock::Unsupported,
        }
    }
    Lock::TimedOut
}
