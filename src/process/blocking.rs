//! Runs blocking work, such as file I/O and waiting for locks, outside the runtime thread.

/// Runs `work` on a thread that may block, and waits for its result. A panic in `work` resumes on the caller.
pub(crate) async fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops the caller as well.
            Err(_) => std::future::pending().await,
        },
    }
}
