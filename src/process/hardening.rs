//! Protects the secrets in the memory of the process.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Disables core dumps and prevents other processes of the same user from reading this process's memory.
///
/// Errors are ignored: the process also works without the protection.
pub(crate) fn harden() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Sets the core limit to 0 for this process and all processes that it starts.
pub(crate) fn forbid_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The inherited core limit, which credvend passes on to the program that `exec` runs.
///
/// Only the soft limit is lowered, because a process without privileges could not raise the hard limit again.
#[derive(Clone, Debug)]
pub(crate) struct CoreLimit(Rlimit);

impl CoreLimit {
    /// Saves the current limit and sets the soft limit of this process to 0.
    pub(crate) fn lower() -> Self {
        let inherited = getrlimit(Resource::Core);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: inherited.maximum });
        Self(inherited)
    }

    /// Restores the limit while `start` runs. This process still writes no core file because it is not dumpable.
    pub(super) fn restore_during<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = setrlimit(Resource::Core, self.0);
        let result = start();
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: self.0.maximum });
        result
    }
}
