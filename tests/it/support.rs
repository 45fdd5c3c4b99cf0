mod base_server;
mod binary;
mod connect_proxy;
mod http;
mod process;
mod screen;
mod stage;

pub(crate) use base_server::BaseServer;
pub(crate) use binary::binary;
pub(crate) use connect_proxy::{ConnectProxy, Route};
pub(crate) use http::{Response, get, raw};
pub(crate) use process::{Credvend, Ended, Running, Signal};
pub(crate) use screen::{Screen, without_colors};
pub(crate) use stage::Stage;

/// The role whose trust policy accepts the web identity token.
pub(crate) const ROLE_A: &str = "arn:aws:iam::111111111111:role/account-a-role";
/// The role in the other account, whose trust policy accepts the first role.
pub(crate) const ROLE_B: &str = "arn:aws:iam::222222222222:role/account-b-role";

/// The longest wait for something that must happen, even on a busy machine. Only a failing test waits this long.
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Waits until `condition` holds; fails at the deadline with `what` it waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(std::time::Instant::now() < end, "waited {DEADLINE:?} without success: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Waits until `/readyz` reports that a profile is not ready, and returns the time that this took.
#[track_caller]
pub(crate) fn time_until_not_ready(address: std::net::SocketAddr) -> std::time::Duration {
    let start = std::time::Instant::now();
    wait_until("the profile is not ready", || get(address, "/readyz", &[]).status != 200);
    start.elapsed()
}

/// Creates a FIFO at `path`, and returns the path.
pub(crate) fn fifo(path: std::path::PathBuf) -> std::path::PathBuf {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    path
}
