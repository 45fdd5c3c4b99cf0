//! How long to wait before another attempt: exponential with full jitter, so that a thousand pods that failed together
//! do not come back together. [Why](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Where chance comes from; passed in, so that tests can be sure.
pub(crate) trait Random: Send + Sync {
    /// A number from 0 up to, not including, 1; uniform.
    fn unit(&self) -> f64;
}

/// A fast generator, seeded by the system. For spreading load, never for secrets.
#[derive(Debug, Default)]
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place where chance enters")]
    fn unit(&self) -> f64 {
        fastrand::f64()
    }
}

/// The pause after the `failures`th failure in a row (the first is 1): uniform between 1 s and 2 s, then up to 4 s, 8 s … 60 s.
pub(crate) fn delay(failures: u32, random: &dyn Random) -> Duration {
    let ceiling = LONGEST.min(SHORTEST.saturating_mul(2_u32.saturating_pow(failures)));
    SHORTEST + (ceiling - SHORTEST).mul_f64(random.unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(f64);

    impl Random for Always {
        fn unit(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_never_fall_below_a_second() {
        let longest: Vec<u64> = (1..9).map(|n| delay(n, &Always(0.999_999)).as_secs_f64().round() as u64).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert!((1..9).chain([u32::MAX]).all(|n| delay(n, &Always(0.0)) == SHORTEST));
    }
}
