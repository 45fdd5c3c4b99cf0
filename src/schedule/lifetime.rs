//! Computes how long credentials are valid from the time at which they arrive. Pure.
//!
//! The expiry is a time by STS's clock, and no clock is certain: the node's clock may be wrong, and the `Date` header of a response
//! that a cache or a proxy touched may be, too. The lifetime is the shortest of
//!
//! 1. the expiry minus STS's time. A node whose clock is wrong by hours still works, because its clock is not used;
//! 2. the expiry minus the node's time, if the two clocks agree within 5 minutes. Then the node's clock is credible, and it ends
//!    credentials in time that a stale `Date` would keep alive;
//! 3. the longest lifetime that the request allows: a session of one hour cannot last longer than an hour from its arrival,
//!    whatever any clock shows.

use std::time::{Duration, SystemTime};

use crate::clock::difference;

/// Largest difference between the node's clock and STS's clock at which the node's clock is credible. STS refuses a signature
/// whose time differs by more.
const CREDIBLE_DIFFERENCE: Duration = Duration::from_secs(5 * 60);

/// The longest session of a role if no duration was requested: the highest maximum session duration in IAM.
/// [Maximum session duration](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html).
pub(crate) const LONGEST_SESSION: Duration = Duration::from_secs(12 * 3600);

/// Returns the lifetime of credentials that arrive when STS's time is `sts_time` and the wall clock shows `wall`.
/// `longest` is the longest lifetime that the request allows.
pub(crate) fn lifetime(expiry: SystemTime, sts_time: SystemTime, wall: SystemTime, longest: Duration) -> Duration {
    let until_expiry = |now| expiry.duration_since(now).unwrap_or(Duration::ZERO);
    let by_wall_clock = match difference(sts_time, wall) <= CREDIBLE_DIFFERENCE {
        true => until_expiry(wall),
        false => Duration::MAX,
    };
    until_expiry(sts_time).min(by_wall_clock).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lifetime, in seconds, of a session that expires 20 s after time zero. The arguments are the offsets of STS's
    /// time and of the wall clock.
    fn seconds(sts_time: i64, wall: i64, longest: u64) -> u64 {
        let at =
            |offset: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_u64.saturating_add_signed(offset));
        lifetime(at(20), at(sts_time), at(wall), Duration::from_secs(longest)).as_secs()
    }

    #[test]
    fn lifetime_is_the_shortest_that_credible_clocks_and_the_request_allow() {
        assert_eq!(seconds(0, 0, 3600), 20);
        assert_eq!(seconds(-30, 0, 3600), 20, "a stale Date");
        assert_eq!(seconds(0, -30, 3600), 20, "a clock that is a little behind");
        assert_eq!(seconds(0, 25, 3600), 0, "a clock that is a little ahead");
        assert_eq!(seconds(0, 7200, 3600), 20, "a node that is two hours ahead");
        assert_eq!(seconds(0, -7200, 3600), 20, "a node that is two hours behind");
        assert_eq!(seconds(-7200, 0, 3600), 3600, "a Date of two hours ago, or a node that is ahead");
    }
}
