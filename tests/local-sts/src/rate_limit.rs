//! A limit on calls, as AWS has one for each account and region: a token bucket.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A limit on the calls that the server accepts. Others get `Throttling` 400 "Rate exceeded".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls per second, on average.
    pub calls_per_second: f64,
    /// Number of calls that are accepted at once.
    pub burst: f64,
}

/// The state of a limit.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    limit: RateLimit,
    tokens: f64,
    updated: Instant,
}

impl TokenBucket {
    /// Returns a full bucket.
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, tokens: limit.burst, updated: Instant::now() }
    }

    /// Returns true if a call is accepted now, and counts it.
    pub(crate) fn take(&mut self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.updated).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.limit.calls_per_second).min(self.limit.burst);
        self.updated = now;
        let is_accepted = self.tokens >= 1.0;
        if is_accepted {
            self.tokens -= 1.0;
        }
        is_accepted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn calls_beyond_the_burst_are_accepted_at_the_rate() {
        let mut bucket = TokenBucket::new(RateLimit { calls_per_second: 20.0, burst: 3.0 });
        let start = bucket.updated;
        let accepted = |bucket: &mut TokenBucket, at: u64| {
            (0..10).filter(|_| bucket.take_at(start + Duration::from_millis(at))).count()
        };
        assert_eq!([0, 40, 110, 10_000].map(|at| accepted(&mut bucket, at)), [3, 0, 2, 3]);
    }
}
