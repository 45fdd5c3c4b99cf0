//! When credentials are renewed and when they are no longer served. Pure: ages in, answers out.

use std::time::Duration;

use crate::clock::Moment;

/// So long before their expiry credentials are no longer served: a client needs time to use them.
pub(crate) const MARGIN: Duration = Duration::from_secs(15);

/// The two moments in the life of something that expires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    obtained: Moment,
    refresh_after: Duration,
    serve_for: Duration,
    lifetime: Duration,
}

impl Window {
    /// For what was obtained at `obtained` and lives for `lifetime`; `unit` in 0..1 picks the point of renewal.
    ///
    /// Between 50 % and 60 % of a life leaves an SDK, which renews when 15 minutes or fewer are left, enough of an hour's
    /// session in every case, and spreads the calls of pods that started together.
    pub(crate) fn new(obtained: Moment, lifetime: Duration, unit: f64) -> Self {
        Self {
            obtained,
            // A life of a second or two must not become a storm of calls.
            refresh_after: lifetime.mul_f64(0.5 + 0.1 * unit).max(Duration::from_secs(1)),
            serve_for: lifetime.saturating_sub(MARGIN),
            lifetime,
        }
    }

    /// For what never expires.
    pub(crate) fn endless(obtained: Moment) -> Self {
        Self { obtained, refresh_after: Duration::MAX, serve_for: Duration::MAX, lifetime: Duration::MAX }
    }

    /// For what does not say when it expires and is asked for again after `refresh_after`; until then, and where asking fails,
    /// it is good.
    pub(crate) fn undated(obtained: Moment, refresh_after: Duration) -> Self {
        Self { refresh_after, ..Self::endless(obtained) }
    }

    /// How long until renewal; zero where it is due.
    pub(crate) fn until_refresh(&self, now: Moment) -> Duration {
        self.refresh_after.saturating_sub(now.since(self.obtained))
    }

    /// Whether it may still be handed out.
    pub(crate) fn is_servable(&self, now: Moment) -> bool {
        now.since(self.obtained) < self.serve_for
    }

    /// How much of its life is left.
    pub(crate) fn remaining(&self, now: Moment) -> Duration {
        self.lifetime.saturating_sub(now.since(self.obtained))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn after(seconds: u64) -> Moment {
        let length = Duration::from_secs(seconds);
        Moment { wall: SystemTime::UNIX_EPOCH + length, monotonic: length }
    }

    #[test]
    fn an_hour_is_renewed_after_30_to_36_minutes_and_served_until_15_seconds_before_its_end() {
        for (unit, minutes) in [(0.0, 30), (0.999_999, 36)] {
            let window = Window::new(after(0), Duration::from_secs(3600), unit);
            assert!((window.until_refresh(after(0)).as_secs_f64() - 60.0 * f64::from(minutes)).abs() < 0.01);
            assert!(window.is_servable(after(3584)) && !window.is_servable(after(3585)));
            assert_eq!(window.until_refresh(after(3000)), Duration::ZERO);
        }
    }

    #[test]
    fn what_lives_less_than_the_margin_is_never_served_and_no_storm() {
        let window = Window::new(after(0), Duration::from_millis(100), 0.0);
        assert!(!window.is_servable(after(0)));
        assert_eq!(window.until_refresh(after(0)), Duration::from_secs(1));
    }

    #[test]
    fn what_never_expires_is_never_due() {
        let window = Window::endless(after(0));
        assert!(
            window.is_servable(after(u32::MAX.into())) && window.until_refresh(after(9)) > Duration::from_secs(1 << 40)
        );
    }
}
