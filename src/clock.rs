//! The clocks, passed in as parameters: no other module reads the system time.
//!
//! The wall clock and the monotonic clock are read together. The wall clock runs while a node is suspended, but it can
//! be set. The monotonic clock cannot be set, but it may stop during suspension. The age of credentials is the longer
//! of both intervals, so that a clock that is set back or a suspended node never makes credentials look younger than
//! they are.
//!
//! [`StsClock`] estimates STS's time from the `Date` headers of its responses. Signatures, token expiry and credential
//! expiry use STS's time.

use std::{
    future::Future,
    pin::Pin,
    sync::Mutex,
    time::{Duration, SystemTime},
};

/// A reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time of day, which can jump.
    pub(crate) wall: SystemTime,
    /// The time since an arbitrary fixed point; never decreases.
    pub(crate) monotonic: Duration,
}

impl Moment {
    /// Returns the longest time that may have passed since `earlier`: the longer interval of the two clocks.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.wall_since(earlier).max(self.monotonic.saturating_sub(earlier.monotonic))
    }

    /// Returns the time that has certainly passed since `earlier`: the shorter interval of the two clocks.
    fn at_least_since(self, earlier: Moment) -> Duration {
        self.wall_since(earlier).min(self.monotonic.saturating_sub(earlier.monotonic))
    }

    fn wall_since(self, earlier: Moment) -> Duration {
        self.wall.duration_since(earlier.wall).unwrap_or_default()
    }
}

/// A source of time.
pub(crate) trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Waits for `length` by the monotonic clock.
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The system's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic time starts at zero.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    pub(crate) fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::now(), monotonic: self.start.elapsed() }
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that uses the runtime's timer")]
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// An estimate of STS's clock from its last response.
#[derive(Debug, Default)]
pub(crate) struct StsClock {
    last_sample: Mutex<Option<TimeSample>>,
}

#[derive(Clone, Copy, Debug)]
struct TimeSample {
    sts_time: SystemTime,
    at: Moment,
}

impl StsClock {
    /// Records `sts_time`, the `Date` header of a response that arrived at `at`.
    pub(crate) fn learn(&self, sts_time: SystemTime, at: Moment) {
        *self.lock() = Some(TimeSample { sts_time, at });
    }

    /// Returns true if a response with a `Date` header has been recorded.
    pub(crate) fn is_known(&self) -> bool {
        self.lock().is_some()
    }

    /// Returns STS's time at `now`, or the wall clock if STS's time is unknown.
    pub(crate) fn time(&self, now: Moment) -> SystemTime {
        self.lock().map_or(now.wall, |sample| sample.sts_time + now.since(sample.at))
    }

    /// Returns the earliest possible STS time at `now`. A token that has expired by this time has certainly expired.
    pub(crate) fn earliest(&self, now: Moment) -> SystemTime {
        self.lock().map_or(now.wall, |sample| sample.sts_time + now.at_least_since(sample.at))
    }

    /// Returns the seconds by which the wall clock is ahead of STS's clock; negative if it is behind.
    /// Returns `None` if STS's time is unknown.
    pub(crate) fn difference(&self, now: Moment) -> Option<i64> {
        if !self.is_known() {
            return None;
        }
        let sts = self.time(now);
        let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
        Some(match now.wall.duration_since(sts) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<TimeSample>> {
        self.last_sample.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, monotonic: u64) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall), monotonic: Duration::from_secs(monotonic) }
    }

    #[test]
    fn age_includes_suspension_and_ignores_clock_set_back() {
        let start = moment(10_000, 50);
        assert_eq!(moment(6_400, 80).since(start).as_secs(), 30, "set back by an hour");
        assert_eq!(moment(13_600, 51).since(start).as_secs(), 3_600, "suspended for an hour");
        assert_eq!(moment(13_600, 51).at_least_since(start).as_secs(), 1);
    }

    #[test]
    fn sts_time_advances_from_the_last_sample() {
        let clock = StsClock::default();
        assert_eq!(clock.time(moment(10_000, 5)), moment(10_000, 0).wall);
        clock.learn(moment(20_000, 0).wall, moment(10_000, 5));
        assert_eq!(clock.time(moment(10_030, 35)), moment(20_030, 0).wall);
        assert_eq!(clock.difference(moment(10_030, 35)), Some(-10_000));
        assert_eq!(clock.earliest(moment(13_600, 6)), moment(20_001, 0).wall);
    }
}
