//! Exponential back-off with full jitter, so that many pods whose requests failed at the same time do not retry at the
//! same time.
//!
//! [Exponential back-off and jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

use std::time::Duration;

const MIN_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The longest delay after a refusal of an STS that throttles, as a part of the time since the first one.
const THROTTLED_PART: f64 = 0.5;

/// Minimum time between two attempts that requests for credentials cause during a back-off.
pub(crate) const MIN_REQUESTED_INTERVAL: Duration = Duration::from_secs(2);

/// A source of random numbers. It is passed in so that tests are deterministic.
pub(crate) trait Random: Send + Sync {
    /// Returns a uniformly distributed number in 0..1.
    fn unit(&self) -> f64;
}

/// A fast generator, seeded by the system. It spreads load and must not generate secrets.
#[derive(Debug, Default)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the only place that generates random numbers")]
    fn unit(&self) -> f64 {
        fastrand::f64()
    }
}

/// Returns the delay after the given number of consecutive failures, which starts at 1. The delay is uniformly
/// distributed between 1 s and an upper bound of 2 s, 4 s, 8 s … 60 s.
///
/// `servable` is the time during which the credentials of the last success are still served; zero if there are none. The upper bound
/// is a third of it, so that attempts become more frequent before the credentials are lost. Once they are lost, requests for credentials
/// cause attempts, and the bound does not apply.
pub(crate) fn delay(failures: u32, servable: Duration, random: &dyn Random) -> Duration {
    let mut upper_bound = MAX_DELAY.min(MIN_DELAY.saturating_mul(2_u32.saturating_pow(failures)));
    if !servable.is_zero() {
        upper_bound = upper_bound.min(servable / 3).max(MIN_DELAY);
    }
    MIN_DELAY + (upper_bound - MIN_DELAY).mul_f64(random.unit())
}

/// Returns the delay after STS has throttled a call of a hop without credentials. `since_first` is the time since the first of the
/// consecutive throttled calls.
///
/// An STS that throttles works, and other processes get what it serves. If 10,000 pods start together, the last one should not wait much
/// longer than STS needs for all of them, which no pod knows. The delay is therefore between a quarter and half of the time that has
/// passed, instead of a multiple of the last delay: a pod that could be served after a minute is served after a minute and a half.
pub(crate) fn throttled(since_first: Duration, random: &dyn Random) -> Duration {
    let upper_bound = since_first.mul_f64(THROTTLED_PART).clamp(2 * MIN_DELAY, MAX_DELAY);
    (upper_bound.mul_f64(0.5 + 0.5 * random.unit())).max(MIN_DELAY)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the same number each time.
    pub(crate) struct Constant(pub(crate) f64);

    impl Random for Constant {
        fn unit(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn delays_double_up_to_one_minute_and_are_at_least_one_second() {
        let upper_bounds: Vec<u64> =
            (1..9).map(|n| delay(n, Duration::ZERO, &Constant(0.999_999)).as_secs_f64().round() as u64).collect();
        assert_eq!(upper_bounds, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert!((1..9).chain([u32::MAX]).all(|n| delay(n, Duration::ZERO, &Constant(0.0)) == MIN_DELAY));
    }

    #[test]
    fn delays_of_throttled_calls_are_a_part_of_the_time_since_the_first_one() {
        let delays =
            |seconds| [0.0, 1.0].map(|unit| throttled(Duration::from_secs(seconds), &Constant(unit)).as_secs_f64());
        assert_eq!([0, 4, 20, 1000].map(delays), [[1.0, 2.0], [1.0, 2.0], [5.0, 10.0], [30.0, 60.0]]);
    }

    #[test]
    fn delays_are_at_most_a_third_of_the_time_during_which_credentials_are_served() {
        let upper_bound = |servable| delay(9, Duration::from_secs(servable), &Constant(1.0)).as_secs();
        assert_eq!([3600, 120, 60, 20, 2, 1, 0].map(upper_bound), [60, 40, 20, 6, 1, 1, 60]);
    }
}
