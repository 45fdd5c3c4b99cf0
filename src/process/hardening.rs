//! What the process does for its own secrecy.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// No core dump, and no other process of the same user that reads this one's memory.
///
/// A system that refuses either leaves the process no worse than it was.
pub(crate) fn harden() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Lowers the core limit to nothing, for this process and every one that it starts.
pub(crate) fn forbid_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The core limit that this process was given, which it passes on without using it.
///
/// What runs a program for somebody else lowers only the soft limit: the hard one could not be raised again.
#[derive(Clone, Debug)]
pub(crate) struct CoreLimit(Rlimit);

impl CoreLimit {
    /// Lowers this process's soft limit to nothing.
    pub(crate) fn lower() -> Self {
        let given = getrlimit(Resource::Core);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: given.maximum });
        Self(given)
    }

    /// Has the limit back for as long as `start` takes. Meanwhile this process leaves no core either: it is not dumpable.
    pub(crate) fn lend<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = setrlimit(Resource::Core, self.0);
        let started = start();
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: self.0.maximum });
        started
    }
}
