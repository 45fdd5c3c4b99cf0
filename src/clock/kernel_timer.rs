//! Long sleeps with a timer of the kernel.
//!
//! tokio's timer wheel wakes the process up to three times during one sleep, and stands still while the node is suspended. A timer of the
//! kernel wakes it once, and counts suspension.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use rustix::{
    fs::Timespec,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};
use tokio::io::{Interest, unix::AsyncFd};

/// Maximum number of timers at a time. Each is a file descriptor, which connections need more, and a process with many profiles wakes
/// often anyway.
const MAX_TIMERS: usize = 8;

static TIMERS: Timers = Timers(AtomicUsize::new(0));

/// The number of timers.
struct Timers(AtomicUsize);

/// A place for a timer, until it is dropped.
struct Place<'a>(&'a Timers);

impl Timers {
    /// Returns a place, or `None` if all are taken.
    fn take_place(&self) -> Option<Place<'_>> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |number| (number < MAX_TIMERS).then_some(number + 1));
        taken.ok().map(|_| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// Waits for `length` by `CLOCK_BOOTTIME`.
///
/// # Errors
/// Returns an error if there are too many timers, the kernel or a sandbox does not offer them, or the process has no file descriptor
/// left.
pub(super) async fn sleep(length: Duration) -> io::Result<()> {
    let _place = TIMERS.take_place().ok_or(io::ErrorKind::QuotaExceeded)?;
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value = Timespec::try_from(length).map_err(io::Error::other)?;
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: once, it_value })?;
    #[expect(deprecated, reason = "its successor is unsafe, for types that do not own their descriptor; this one does")]
    let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
    // Readable means expired.
    timer.readable().await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "compares the timer with the system's clock")]
    async fn timer_ends_after_its_length() {
        let (start, length) = (Instant::now(), Duration::from_millis(20));
        sleep(length).await.expect("this machine has timers");
        assert!(start.elapsed() >= length);
    }

    #[test]
    fn few_timers_exist_at_a_time() {
        let timers = Timers(AtomicUsize::new(0));
        let mut places: Vec<_> = (0..MAX_TIMERS).map(|_| timers.take_place().expect("a place")).collect();
        assert!(timers.take_place().is_none());
        places.pop();
        assert!(timers.take_place().is_some());
    }

    #[tokio::test]
    async fn timer_of_an_hour_does_not_end_at_once() {
        let mut timer = std::pin::pin!(sleep(Duration::from_secs(3600)));
        tokio::select! {
            biased;
            result = &mut timer => panic!("ended: {result:?}"),
            result = sleep(Duration::from_millis(20)) => result.expect("this machine has timers"),
        }
    }
}
