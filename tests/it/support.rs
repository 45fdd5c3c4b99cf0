mod base_server;
mod http;
mod process;
mod stage;

pub(crate) use base_server::BaseServer;
pub(crate) use http::{Answer, get, raw};
pub(crate) use process::{Credvend, Ended, Running, Signal};
pub(crate) use stage::Stage;

/// The role whose trust policy names the token.
pub(crate) const ROLE_A: &str = "arn:aws:iam::111111111111:role/account-a-role";
/// The role in the other account, which trusts the first.
pub(crate) const ROLE_B: &str = "arn:aws:iam::222222222222:role/account-b-role";

/// How long something that must happen may take on a busy machine. Nothing waits this long unless it fails.
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Asks again and again until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
