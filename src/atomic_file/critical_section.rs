//! The time during which a temporary file has a name. A process that ends then would leave the file behind.
//!
//! A signal that ends the process waits for the end of the section: the signal handlers of one-shot commands record it where
//! [`raise_at_the_end`] finds it, and exit only if [`exit_permission`] is set, and `main` calls [`close`] before it ends the process. A
//! second signal does not wait.

use std::{
    sync::{
        Arc, Condvar, LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use signal_hook::low_level;

/// Maximum time that the end of the process waits for a file that is about to be renamed.
const MAX_WAIT: Duration = Duration::from_secs(2);

static SECTIONS: Sections =
    Sections { state: Mutex::new(State { open: 0, is_closed: false }), changed: Condvar::new() };

static EXIT_PERMISSION: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));
static RECEIVED_SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

struct Sections {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Number of sections that have begun and not ended.
    open: usize,
    is_closed: bool,
}

/// A section that ends when dropped.
#[derive(Debug)]
pub(super) struct CriticalSection(());

impl CriticalSection {
    /// Begins a section. Blocks forever after [`close`], because the process is ending.
    pub(super) fn enter() -> Self {
        let mut state = lock();
        while state.is_closed {
            state = SECTIONS.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open += 1;
        EXIT_PERMISSION.store(false, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for CriticalSection {
    fn drop(&mut self) {
        let mut state = lock();
        state.open -= 1;
        if state.open == 0 {
            EXIT_PERMISSION.store(true, Ordering::SeqCst);
            SECTIONS.changed.notify_all();
            // The handler records its signal before it looks for the permission, so the signal is here or has exited.
            let received = RECEIVED_SIGNAL.get().map_or(0, |signal| signal.load(Ordering::SeqCst));
            match i32::try_from(received) {
                Ok(0) | Err(_) => {}
                Ok(signal) => _ = low_level::raise(signal),
            }
        }
    }
}

/// Returns a flag that is set while no section is open.
pub(crate) fn exit_permission() -> Arc<AtomicBool> {
    Arc::clone(&EXIT_PERMISSION)
}

/// Makes the signal that the handlers record in `received` end the process: it is raised again at the end of the section. 0 means that
/// there is no such signal.
pub(crate) fn raise_at_the_end(received: &Arc<AtomicUsize>) {
    RECEIVED_SIGNAL.get_or_init(|| Arc::clone(received));
}

/// Waits until no section is open, for at most [`MAX_WAIT`], and lets no other one begin. Call it before the process ends.
pub(crate) fn close() {
    let mut state = lock();
    state.is_closed = true;
    let _ = SECTIONS.changed.wait_timeout_while(state, MAX_WAIT, |state| state.open > 0);
}

fn lock() -> std::sync::MutexGuard<'static, State> {
    SECTIONS.state.lock().unwrap_or_else(PoisonError::into_inner)
}
