//! Taking a mutex.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the mutex. Its holders never leave half a change behind, so one that panicked has spoilt nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
