//! Decides when a process may send its next call to an STS that throttles it. Pure: the caller passes the time.
//!
//! AWS throttles STS for each account and region by a token bucket: calls beyond a burst are served at a fixed rate, and the others are
//! refused. Neither the burst nor the rate is known, and other processes use the same bucket.
//!
//! - **Before the first refusal**, the first [`BURST`] calls are sent at once. Further ones start at [`INITIAL_RATE`], and each call that
//!   STS serves raises the rate. A process with a few profiles never waits.
//! - **A refusal says that the bucket is empty.** Between two refusals, STS therefore served as many calls as it takes in that time, which
//!   is the estimate of its capacity. Until there is one, the pace starts at [`SEARCH_RATE`], grows quickly with each call that is
//!   served, and is halved by a refusal.
//! - **With an estimate**, the pace is reduced to a little less and grows slowly until the next refusal: about one call in 40 is refused.
//!   Far from the estimate it grows quickly again, because other processes may have finished.
//! - **Without a refusal for a minute**, the limit is forgotten.

use std::time::Duration;

/// Number of calls that are sent at once after a pause.
const BURST: f64 = 5.0;

/// Calls per second after the burst, before STS has refused one.
const INITIAL_RATE: f64 = 50.0;

/// Calls per second by which each served call raises the rate, before STS has refused one.
const INITIAL_GROWTH: f64 = 5.0;

/// Upper bound of the rate, in calls per second. It is more than STS serves.
const MAX_RATE: f64 = 2000.0;

/// Calls per second after the first refusal.
const SEARCH_RATE: f64 = 10.0;

/// Lower bound of the rate, in calls per second.
const MIN_RATE: f64 = 1.0;

/// Number of served calls between two refusals from which their rate is an estimate of the capacity.
const SAMPLE: u32 = 8;

/// The part of the capacity at which the pace continues after a refusal.
const REDUCTION: f64 = 0.87;

/// The multiples of the capacity between which the pace grows slowly.
const NEAR_CAPACITY: std::ops::Range<f64> = 0.75..1.25;

/// Time after the last refusal at which the limit is forgotten.
const MEMORY: Duration = Duration::from_secs(60);

/// Time without calls after which a rate that grew is forgotten.
const IDLE: Duration = Duration::from_secs(10);

/// Longest wait that a `Retry-After` header causes.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The pace of the calls to one STS. All times are readings of the monotonic clock.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Calls per second.
    rate: f64,
    /// Number of calls that may be sent now.
    tokens: f64,
    /// When `tokens` was computed.
    updated: Duration,
    /// STS asked for no calls until then.
    not_before: Duration,
    limit: Option<Limit>,
}

/// What is known about an STS that refused a call.
#[derive(Debug)]
struct Limit {
    /// Calls per second that STS serves, once known.
    capacity: Option<f64>,
    /// When the refused call was sent from which `served` counts.
    since: Duration,
    /// Number of calls sent since then that STS served.
    served: u32,
    /// When the pace was last reduced. Refusals of calls that were sent before change nothing: they were on their way.
    reduced: Duration,
    /// When the pace last grew.
    grown: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: INITIAL_RATE, tokens: BURST, updated: Duration::ZERO, not_before: Duration::ZERO, limit: None }
    }
}

impl Pace {
    /// Takes the permission to send a call at `now`.
    ///
    /// # Errors
    /// Returns the time to wait if the call has to be sent later.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.not_before > now {
            return Err(self.not_before - now);
        }
        // The sum of many small numbers can be a little less than one.
        if self.tokens > 0.999_999 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
    }

    /// Returns the time that `count` further calls take at the current rate.
    pub(crate) fn time_for(&self, count: usize, now: Duration) -> Duration {
        Duration::from_secs_f64(count as f64 / self.rate).max(self.not_before.saturating_sub(now))
    }

    /// Returns the calls per second to which the pace is limited, or `None` if STS has refused none lately.
    pub(crate) fn limit(&self) -> Option<f64> {
        self.limit.is_some().then_some(self.rate)
    }

    /// Records a call that STS did not throttle, whether it succeeded or failed.
    pub(crate) fn served(&mut self, sent: Duration, now: Duration) {
        self.refill(now);
        let Some(limit) = &mut self.limit else {
            self.rate = (self.rate + INITIAL_GROWTH).min(MAX_RATE);
            return;
        };
        if sent > limit.since {
            limit.served += 1;
        }
        let elapsed = now.saturating_sub(limit.grown).as_secs_f64();
        limit.grown = now;
        // If calls may be sent at once, the rate is not what limits them, and says nothing.
        if self.tokens < 1.0 {
            let growth = match limit.capacity {
                Some(capacity) if NEAR_CAPACITY.contains(&(self.rate / capacity)) => (0.1 * elapsed).min(0.008),
                _ => (4.0 * elapsed).min(0.25),
            };
            self.rate = (self.rate * (1.0 + growth)).min(MAX_RATE);
        }
    }

    /// Records that STS refused a call because of too many calls, and what its `Retry-After` header says. Returns true if the limit is
    /// new.
    pub(crate) fn refused(&mut self, sent: Duration, now: Duration, retry_after: Option<Duration>) -> bool {
        self.refill(now);
        if let Some(retry_after) = retry_after {
            self.not_before = self.not_before.max(now + retry_after.min(MAX_RETRY_AFTER));
        }
        let Some(limit) = &mut self.limit else {
            self.rate = self.rate.min(SEARCH_RATE);
            self.tokens = 0.0;
            self.limit = Some(Limit { capacity: None, since: sent, served: 0, reduced: now, grown: now });
            return true;
        };
        if sent <= limit.reduced {
            return false;
        }
        let elapsed = sent.saturating_sub(limit.since).as_secs_f64();
        if limit.served >= SAMPLE && elapsed > 0.0 {
            let served = f64::from(limit.served) / elapsed;
            // The rate of the served calls is the capacity of a bucket. An STS that takes evenly spaced calls only, without a burst, takes
            // more than the pace was on average, up to the rate at which it refused.
            let capacity = (served + self.rate.min(NEAR_CAPACITY.end * served)) / 2.0;
            self.rate = REDUCTION * capacity;
            *limit = Limit { capacity: Some(capacity), since: sent, served: 0, ..*limit };
        } else {
            self.rate /= 2.0;
            limit.capacity = None;
        }
        self.rate = self.rate.max(MIN_RATE);
        self.tokens = 0.0;
        (limit.reduced, limit.grown) = (now, now);
        false
    }

    /// Adds the tokens of the time since the last call of this function, and forgets a limit that is too old.
    fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.updated);
        if self.limit.as_ref().is_some_and(|limit| now.saturating_sub(limit.reduced) >= MEMORY) {
            (self.limit, self.rate) = (None, INITIAL_RATE);
        } else if self.limit.is_none() && elapsed >= IDLE {
            self.rate = INITIAL_RATE;
        }
        let capacity = if self.limit.is_some() { 2.0 } else { BURST };
        self.tokens = (self.tokens + self.rate * elapsed.as_secs_f64()).min(capacity);
        self.updated = now;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// An STS with a token bucket, and what its only caller experienced.
    struct Bucket {
        rate: f64,
        burst: f64,
        tokens: f64,
        updated: Duration,
    }

    impl Bucket {
        fn serves(&mut self, now: Duration) -> bool {
            let elapsed = now.saturating_sub(self.updated).as_secs_f64();
            self.tokens = (self.tokens + elapsed * self.rate).min(self.burst);
            self.updated = now;
            let is_served = self.tokens >= 1.0;
            self.tokens -= f64::from(u8::from(is_served));
            is_served
        }
    }

    /// Makes calls until `count` are served; each is repeated until it is. Returns the seconds and the number of refused calls.
    fn run(count: usize, rate: f64, burst: f64, latency: Duration) -> (f64, usize) {
        let mut bucket = Bucket { rate, burst, tokens: burst, updated: Duration::ZERO };
        let mut pace = Pace::default();
        let mut on_their_way: VecDeque<(Duration, bool)> = VecDeque::new();
        let (mut now, mut waiting, mut served, mut refused) = (Duration::ZERO, count, 0, 0);
        while served < count {
            let may_send_at = if waiting == 0 {
                Duration::MAX
            } else {
                match pace.take(now) {
                    Ok(()) => {
                        waiting -= 1;
                        on_their_way.push_back((now, bucket.serves(now + latency / 2)));
                        continue;
                    }
                    // The timer of the runtime counts milliseconds.
                    Err(wait) => now + Duration::from_millis(wait.as_millis() as u64 + 1),
                }
            };
            let response_at = on_their_way.front().map_or(Duration::MAX, |(sent, _)| *sent + latency);
            now = may_send_at.min(response_at);
            if response_at <= now
                && let Some((sent, is_served)) = on_their_way.pop_front()
            {
                if is_served {
                    served += 1;
                    pace.served(sent, now);
                } else {
                    (refused, waiting) = (refused + 1, waiting + 1);
                    pace.refused(sent, now, None);
                }
            }
        }
        (now.as_secs_f64(), refused)
    }

    #[test]
    fn calls_of_a_few_profiles_are_sent_at_once() {
        let mut pace = Pace::default();
        for _ in 0..5 {
            assert_eq!(pace.take(Duration::from_secs(1)), Ok(()));
        }
        assert!(pace.take(Duration::from_secs(1)).is_err_and(|wait| wait <= Duration::from_millis(20)));
    }

    #[test]
    fn three_hundred_calls_to_an_unlimited_sts_take_about_a_second() {
        for latency in [1, 50, 200] {
            let (seconds, refused) = run(300, 1e6, 1e6, Duration::from_millis(latency));
            assert!(seconds < 1.5 && refused == 0, "{latency} ms: {seconds}");
        }
    }

    #[test]
    fn throttled_calls_take_little_longer_than_the_minimum_and_few_are_refused() {
        for (rate, burst, longest, most) in [
            (20.0, 20.0, 1.0, 0.1),
            (20.0, 5.0, 1.05, 0.06),
            (20.0, 1.0, 1.4, 0.08),
            (5.0, 5.0, 1.0, 0.2),
            (100.0, 200.0, 1.0, 0.12),
            (600.0, 600.0, 1.0, 0.03),
        ] {
            for latency in [1, 20, 80] {
                let count = (15.0 * rate) as usize;
                let (seconds, refused) = run(count, rate, burst, Duration::from_millis(latency));
                let (ratio, part) = (seconds / 15.0, refused as f64 / (count + refused) as f64);
                assert!(ratio < longest, "{rate} {burst} {latency}: {seconds} s");
                assert!(part < most, "{rate} {burst} {latency}: {refused} of {count}");
            }
        }
        let (seconds, refused) = run(300, 20.0, 20.0, Duration::from_millis(1));
        assert!(seconds < 18.0 && refused * 20 <= 300 + refused, "{seconds} s, {refused} refused");
    }

    #[test]
    fn refusals_of_calls_that_were_on_their_way_reduce_the_pace_once() {
        let mut pace = Pace::default();
        let at = Duration::from_millis;
        assert!(pace.refused(at(10), at(20), None), "the limit begins");
        let limit = pace.limit();
        for sent in 11..=20 {
            assert!(!pace.refused(at(sent), at(21), None));
        }
        assert_eq!(pace.limit(), limit);
        assert!(!pace.refused(at(22), at(30), None));
        assert_eq!(pace.limit(), limit.map(|rate| rate / 2.0));
    }

    #[test]
    fn retry_after_is_heeded_up_to_a_minute() {
        let at = Duration::from_secs;
        for (asked, waited) in [(7, 7), (3600, 60)] {
            let mut pace = Pace::default();
            pace.refused(at(1), at(1), Some(at(asked)));
            assert_eq!(pace.take(at(1)), Err(at(waited)));
            assert_eq!(pace.take(at(1 + waited)), Ok(()));
        }
    }

    #[test]
    fn limit_is_forgotten_after_a_minute_without_refusals() {
        let mut pace = Pace::default();
        pace.refused(Duration::ZERO, Duration::ZERO, None);
        assert!(pace.take(Duration::from_secs(59)).is_ok() && pace.limit().is_some());
        assert!(pace.take(Duration::from_secs(60)).is_ok() && pace.limit().is_none());
    }

    #[test]
    fn pace_follows_a_capacity_that_grows() {
        let mut pace = Pace::default();
        let mut bucket = Bucket { rate: 5.0, burst: 5.0, tokens: 0.0, updated: Duration::ZERO };
        let mut now = Duration::ZERO;
        let mut served_late = 0;
        while now < Duration::from_secs(40) {
            if now > Duration::from_secs(20) {
                bucket.rate = 200.0;
                bucket.burst = 200.0;
            }
            match pace.take(now) {
                Err(wait) => now += wait.max(Duration::from_micros(1)),
                Ok(()) if bucket.serves(now) => {
                    pace.served(now, now);
                    served_late += u32::from(now > Duration::from_secs(30));
                }
                Ok(()) => _ = pace.refused(now, now, None),
            }
        }
        assert!(served_late > 1600, "{served_late} of 2000");
    }
}
