//! Runs blocking work, such as file I/O and waiting for locks, outside the runtime thread.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use tokio::sync::oneshot;

use crate::process::workers::{Refused, WorkerPool};

/// Enough for a write to each sink while one of them hangs.
static POOL: WorkerPool = WorkerPool::new(4);

/// Starts the first worker, so that [`spawn_blocking`] never works on the runtime thread.
///
/// # Errors
/// Returns the error of the operating system if it refuses a thread.
pub(crate) fn start() -> io::Result<()> {
    POOL.start()
}

/// Runs `work` on a thread that may block, and waits for its result. If there is no such thread and none can be started,
/// which can only happen to a one-shot command, runs `work` on this thread. A panic in `work` resumes on the caller.
pub(crate) async fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = oneshot::channel();
    let job = move || {
        // The caller may have stopped waiting.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    if let Err(Refused { job, .. }) = POOL.submit(Box::new(job)) {
        job();
    }
    match receiver.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("a worker runs every job"),
    }
}
