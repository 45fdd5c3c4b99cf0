//! Time, passed in: no other module asks the system what time it is.
//!
//! Two clocks are read together. The wall clock goes on while a node is suspended, but can be set; the monotonic one
//! cannot be set, but may stand still in a suspension. Of an interval the longer reading counts, so neither a clock
//! that is set back nor a suspended node makes credentials look younger than they are. Beside them stands STS's own
//! clock, learnt from the `Date` of its answers: signatures, token expiry and credentials' expiry are all measured by it.

use std::{
    future::Future,
    pin::Pin,
    sync::Mutex,
    time::{Duration, SystemTime},
};

/// A reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time of day; can jump.
    pub(crate) wall: SystemTime,
    /// Since some fixed point; never goes back.
    pub(crate) monotonic: Duration,
}

impl Moment {
    /// How much time has passed since `earlier`, by the clock that saw more of it.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.wall_since(earlier).max(self.monotonic.saturating_sub(earlier.monotonic))
    }

    /// How much time has passed since `earlier` for certain, by the clock that saw less of it.
    pub(crate) fn at_least_since(self, earlier: Moment) -> Duration {
        self.wall_since(earlier).min(self.monotonic.saturating_sub(earlier.monotonic))
    }

    fn wall_since(self, earlier: Moment) -> Duration {
        self.wall.duration_since(earlier.wall).unwrap_or_default()
    }
}

/// Where time comes from.
pub(crate) trait Clock: Send + Sync {
    /// Both clocks, now.
    fn now(&self) -> Moment;

    /// Waits by the monotonic clock.
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The system's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts at zero, now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the system's clock enters")]
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
    #[expect(clippy::disallowed_methods, reason = "the one place where the system's clock enters")]
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::now(), monotonic: self.start.elapsed() }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the runtime's timer enters")]
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// STS's clock, as its last answer told it.
#[derive(Debug, Default)]
pub(crate) struct StsClock {
    last_told: Mutex<Option<TimeSample>>,
}

#[derive(Clone, Copy, Debug)]
struct TimeSample {
    sts_time: SystemTime,
    at: Moment,
}

impl StsClock {
    /// Keeps what an answer's `Date` header said.
    pub(crate) fn learn(&self, sts_time: SystemTime, at: Moment) {
        *self.lock() = Some(TimeSample { sts_time, at });
    }

    /// Whether any answer told it yet.
    pub(crate) fn is_known(&self) -> bool {
        self.lock().is_some()
    }

    /// STS's time at `now`; the wall clock where STS never told.
    pub(crate) fn time(&self, now: Moment) -> SystemTime {
        self.lock().map_or(now.wall, |told| told.sts_time + now.since(told.at))
    }

    /// The earliest that STS's time can be at `now`: what may be held against a token.
    pub(crate) fn earliest(&self, now: Moment) -> SystemTime {
        self.lock().map_or(now.wall, |told| told.sts_time + now.at_least_since(told.at))
    }

    /// By how many seconds this machine's clock is ahead of STS's; negative where it is behind.
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
        self.last_told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, monotonic: u64) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall), monotonic: Duration::from_secs(monotonic) }
    }

    #[test]
    fn a_clock_set_back_or_a_suspension_hides_no_time() {
        let start = moment(10_000, 50);
        assert_eq!(moment(6_400, 80).since(start).as_secs(), 30, "set back by an hour");
        assert_eq!(moment(13_600, 51).since(start).as_secs(), 3_600, "suspended for an hour");
        assert_eq!(moment(13_600, 51).at_least_since(start).as_secs(), 1);
    }

    #[test]
    fn sts_time_goes_on_from_what_it_told() {
        let clock = StsClock::default();
        assert_eq!(clock.time(moment(10_000, 5)), moment(10_000, 0).wall);
        clock.learn(moment(20_000, 0).wall, moment(10_000, 5));
        assert_eq!(clock.time(moment(10_030, 35)), moment(20_030, 0).wall);
        assert_eq!(clock.difference(moment(10_030, 35)), Some(-10_000));
        assert_eq!(clock.earliest(moment(13_600, 6)), moment(20_001, 0).wall);
    }
}
