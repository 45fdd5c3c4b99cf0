//! Sinks: where credentials go. A sink reads the store and never asks for anything; each owns its wire form.

pub mod config_file;
pub mod endpoint;
pub mod export;
pub mod file;
pub mod instance_metadata;
pub mod process;

/// Runs what waits for a disk or for another writer's lock where it holds up nobody.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and with it whoever asked.
            Err(_) => std::future::pending().await,
        },
    }
}
