//! The clocks, passed in as parameters: no other module reads the system time.
//!
//! The wall clock and the monotonic clock are read together. Elapsed time is measured by the monotonic clock alone, which counts
//! the time during which a node or a virtual machine is suspended (`CLOCK_BOOTTIME`) and which nobody can set. A step of the
//! wall clock, by NTP or by hand, therefore changes neither the age of credentials nor a back-off.
//!
//! Some suspensions are invisible to the monotonic clock: a snapshot of a virtual machine or a checkpoint of a container that is
//! restored later. The wall clock shows them as a step forward. A step forward therefore makes a refresh due
//! ([`Moment::longest_since`]), which is cheap, but does not stop credentials from being served, which would be an outage if the
//! step only corrected the clock.
//!
//! [`StsClock`] estimates STS's time from the `Date` headers of its responses. Signatures, token expiry and credential
//! expiry use STS's time.

mod kernel_timer;

use std::{
    future::Future,
    pin::Pin,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};

/// A reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time of day, which can jump.
    pub(crate) wall: SystemTime,
    /// The time since an arbitrary fixed point, including suspension; never decreases.
    pub(crate) monotonic: Duration,
}

impl Moment {
    /// Returns the time that has passed since `earlier`, by the monotonic clock.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }

    /// Returns the longest time that may have passed since `earlier`: the longer interval of the two clocks.
    pub(crate) fn longest_since(self, earlier: Moment) -> Duration {
        self.wall.duration_since(earlier.wall).unwrap_or_default().max(self.since(earlier))
    }
}

/// A source of time.
pub(crate) trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Waits for `length` by the monotonic clock.
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Returns the maximum length of a sleep after which the clocks have to be read again: the runtime's timer stands still while a node
    /// is suspended, and the wall clock can step.
    fn max_sleep(&self) -> Duration {
        MAX_SLEEP
    }
}

/// The maximum length of a sleep with the system's clocks. A timer of the kernel ends sleeps of this length, and not those of the time limits
/// of connections, each of which would have a file descriptor more.
const MAX_SLEEP: Duration = Duration::from_secs(30);

/// The system's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    monotonic: DynamicClockId<'static>,
}

impl SystemClock {
    /// Creates a clock. Where a sandbox does not offer `CLOCK_BOOTTIME`, the monotonic time does not count suspension.
    pub(crate) fn new() -> Self {
        let has_boottime = read(DynamicClockId::Boottime).is_some();
        let monotonic = if has_boottime { DynamicClockId::Boottime } else { DynamicClockId::Known(ClockId::Monotonic) };
        Self { monotonic }
    }
}

/// Reads a clock of the kernel.
#[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
fn read(clock: DynamicClockId<'static>) -> Option<Duration> {
    clock_gettime_dynamic(clock).ok()?.try_into().ok()
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Moment {
        // `new` has read this clock, so that it cannot fail.
        Moment { wall: SystemTime::now(), monotonic: read(self.monotonic).unwrap_or_default() }
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that uses the runtime's timer")]
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if length < MAX_SLEEP || kernel_timer::sleep(length).await.is_err() {
                tokio::time::sleep(length).await;
            }
        })
    }
}

/// Largest difference between two times that agree. It covers the resolution of the `Date` header (1 s) and the time that a
/// response takes, and is below the margin of 15 s in which credentials are no longer served.
const TOLERANCE: Duration = Duration::from_secs(10);

/// An estimate of STS's clock from its responses.
///
/// A `Date` header can be wrong: a cache replays an old response, or a proxy or a server has a wrong clock. A time that
/// contradicts the estimate is therefore adopted only if a second witness agrees with it: the wall clock, or the next response.
/// Until then the estimate advances with the monotonic clock. The first time is adopted at once, because the wall clock of the
/// node may be the one that is wrong.
#[derive(Debug, Default)]
pub(crate) struct StsClock {
    estimate: Mutex<Estimate>,
}

#[derive(Debug, Default)]
struct Estimate {
    adopted: Option<TimeSample>,
    /// Whether a second witness agrees with the adopted time.
    is_confirmed: bool,
    /// The last time that contradicts the adopted one.
    contradiction: Option<TimeSample>,
}

#[derive(Clone, Copy, Debug)]
struct TimeSample {
    sts_time: SystemTime,
    at: Moment,
}

impl TimeSample {
    /// Returns the time that the sample predicts for `now`.
    fn time(&self, now: Moment) -> SystemTime {
        self.sts_time + now.since(self.at)
    }

    fn agrees_with(&self, other: Option<TimeSample>) -> bool {
        other.is_some_and(|other| difference(other.time(self.at), self.sts_time) <= TOLERANCE)
    }
}

impl StsClock {
    /// Records `sts_time`, the `Date` header of a response that arrived at `at`.
    pub(crate) fn learn(&self, sts_time: SystemTime, at: Moment) {
        let sample = TimeSample { sts_time, at };
        let mut estimate = self.lock();
        let has_witness = difference(at.wall, sts_time) <= TOLERANCE
            || sample.agrees_with(estimate.adopted)
            || sample.agrees_with(estimate.contradiction);
        *estimate = if has_witness || estimate.adopted.is_none() {
            Estimate { adopted: Some(sample), is_confirmed: has_witness, contradiction: None }
        } else {
            Estimate { contradiction: Some(sample), ..*estimate }
        };
    }

    /// Returns true if a response with a `Date` header has been recorded.
    pub(crate) fn is_known(&self) -> bool {
        self.lock().adopted.is_some()
    }

    /// Returns STS's time at `now`, or the wall clock if STS's time is unknown.
    pub(crate) fn time(&self, now: Moment) -> SystemTime {
        self.lock().adopted.map_or(now.wall, |sample| sample.time(now))
    }

    /// Returns STS's time at `now` if two witnesses agree on it.
    pub(crate) fn confirmed_time(&self, now: Moment) -> Option<SystemTime> {
        let estimate = self.lock();
        estimate.adopted.filter(|_| estimate.is_confirmed).map(|sample| sample.time(now))
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Returns the length of the interval between two times.
pub(crate) fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: u64, monotonic: u64) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall), monotonic: Duration::from_secs(monotonic) }
    }

    fn time(seconds: u64) -> SystemTime {
        moment(seconds, 0).wall
    }

    #[test]
    fn steps_of_the_wall_clock_change_no_elapsed_time() {
        let start = moment(10_000, 50);
        for wall in [6_400, 10_030, 13_600] {
            assert_eq!(moment(wall, 80).since(start).as_secs(), 30, "{wall}");
        }
        assert_eq!(moment(6_400, 80).longest_since(start).as_secs(), 30);
        assert_eq!(moment(13_600, 80).longest_since(start).as_secs(), 3_600);
    }

    #[test]
    fn monotonic_clock_counts_suspension_and_never_decreases() {
        let uptime = std::fs::read_to_string("/proc/uptime").expect("read");
        let uptime: f64 = uptime.split(' ').next().expect("a number").parse().expect("a number");
        let clock = SystemClock::new();
        let (first, second) = (clock.now().monotonic, clock.now().monotonic);
        assert!(first <= second);
        assert!((second.as_secs_f64() - uptime).abs() < 5.0, "/proc/uptime is CLOCK_BOOTTIME: {second:?}, {uptime}");
    }

    #[test]
    fn sts_time_advances_from_the_last_sample_whatever_happens_to_the_wall_clock() {
        let clock = StsClock::default();
        assert_eq!(clock.time(moment(10_000, 5)), time(10_000));
        clock.learn(time(20_000), moment(10_000, 5));
        assert_eq!(
            (clock.time(moment(10_030, 35)), clock.difference(moment(10_030, 35))),
            (time(20_030), Some(-10_000))
        );
        assert_eq!(clock.time(moment(13_600, 6)), time(20_001));
        assert_eq!(clock.confirmed_time(moment(13_600, 6)), None, "one witness");
        clock.learn(time(20_031), moment(10_030, 35));
        assert_eq!(clock.confirmed_time(moment(10_031, 36)), Some(time(20_032)));
    }

    #[test]
    fn stale_date_is_ignored_until_a_second_witness_agrees() {
        let clock = StsClock::default();
        clock.learn(time(10_000), moment(10_001, 0));
        assert!(clock.confirmed_time(moment(10_001, 0)).is_some(), "the wall clock agrees");
        // A cache repeats the same response.
        for seconds in [100, 200] {
            clock.learn(time(9_000), moment(10_001 + seconds, seconds));
            assert_eq!(clock.time(moment(10_001 + seconds, seconds)), time(10_000 + seconds));
        }
        // STS's clock is set back: its times advance.
        clock.learn(time(9_100), moment(10_301, 300));
        clock.learn(time(9_105), moment(10_306, 305));
        assert_eq!(clock.time(moment(10_306, 305)), time(9_105));
    }

    #[test]
    fn restored_snapshot_adopts_the_time_that_the_wall_clock_confirms() {
        let clock = StsClock::default();
        clock.learn(time(10_000), moment(10_000, 0));
        clock.learn(time(96_400), moment(96_405, 60));
        assert_eq!(clock.confirmed_time(moment(96_405, 60)), Some(time(96_400)));
    }
}
