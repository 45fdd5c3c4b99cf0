//! Computes when to refresh credentials and when to stop serving them, from their age. Pure.

use std::time::Duration;

use crate::clock::Moment;

/// Credentials are not served during this time before their expiry, because a client needs time to use them.
pub(crate) const EXPIRY_MARGIN: Duration = Duration::from_secs(15);

/// The lifetime of credentials: when to refresh them and how long to serve them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    obtained: Moment,
    refresh_after: Duration,
    serve_for: Duration,
    lifetime: Duration,
}

impl Window {
    /// Creates the window of credentials that were obtained at `obtained` and are valid for `lifetime`. `unit` in 0..1
    /// selects the time of the refresh, between 50 % and 57.5 % of the lifetime.
    ///
    /// At 57.5 % of a one-hour session 25.5 minutes are left: credentials outlast a failure of STS of 25 minutes, and SDKs, which refresh
    /// at 15 minutes, always find more. The range spreads the requests of pods that started at the same time.
    pub(crate) fn new(obtained: Moment, lifetime: Duration, unit: f64) -> Self {
        Self {
            obtained,
            // A lifetime of a second or two must not cause a flood of requests.
            refresh_after: lifetime.mul_f64(0.5 + 0.075 * unit).max(Duration::from_secs(1)),
            serve_for: lifetime.saturating_sub(EXPIRY_MARGIN),
            lifetime,
        }
    }

    /// Creates the window of credentials that never expire.
    pub(crate) fn endless(obtained: Moment) -> Self {
        Self { obtained, refresh_after: Duration::MAX, serve_for: Duration::MAX, lifetime: Duration::MAX }
    }

    /// Creates the window of credentials with an unknown expiry. They are refreshed after `refresh_after` and remain
    /// valid if the refresh fails.
    pub(crate) fn undated(obtained: Moment, refresh_after: Duration) -> Self {
        Self { refresh_after, ..Self::endless(obtained) }
    }

    /// Returns the time until the refresh; zero if it is due. A step of the wall clock beyond that time makes it due.
    pub(crate) fn until_refresh(&self, now: Moment) -> Duration {
        self.refresh_after.saturating_sub(now.longest_since(self.obtained))
    }

    /// Returns the same as [`Self::until_refresh`], or `None` if the credentials are never refreshed.
    pub(crate) fn until_next_refresh(&self, now: Moment) -> Option<Duration> {
        (self.refresh_after < Duration::MAX).then(|| self.until_refresh(now))
    }

    /// Returns true if the credentials were too short-lived from the start to be served.
    pub(crate) fn is_never_servable(&self) -> bool {
        self.serve_for.is_zero()
    }

    /// Returns the time since the credentials were obtained.
    pub(crate) fn age(&self, now: Moment) -> Duration {
        now.since(self.obtained)
    }

    /// Returns the lifetime that the credentials had when they were obtained.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns true until 15 s before the expiry.
    pub(crate) fn is_servable(&self, now: Moment) -> bool {
        !self.servable(now).is_zero()
    }

    /// Returns the time during which the credentials are still served.
    pub(crate) fn servable(&self, now: Moment) -> Duration {
        self.serve_for.saturating_sub(now.since(self.obtained))
    }

    /// Returns the time until the expiry; zero if it has passed.
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
    fn one_hour_is_refreshed_after_30_to_34_5_minutes_and_served_until_15_seconds_before_expiry() {
        for (unit, minutes) in [(0.0, 30.0), (0.999_999, 34.5)] {
            let window = Window::new(after(0), Duration::from_secs(3600), unit);
            assert!((window.until_refresh(after(0)).as_secs_f64() - 60.0 * minutes).abs() < 0.01);
            assert!(window.is_servable(after(3584)) && !window.is_servable(after(3585)));
            assert_eq!(window.until_refresh(after(3000)), Duration::ZERO);
        }
    }

    #[test]
    fn step_of_the_wall_clock_makes_the_refresh_due_but_credentials_stay_servable() {
        let window = Window::new(after(0), Duration::from_secs(3600), 0.0);
        let stepped = |seconds: u64, step: i64| {
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.saturating_add_signed(step));
            Moment { wall, ..after(seconds) }
        };
        for step in [3600, 86_400] {
            assert!(
                window.is_servable(stepped(60, step)) && window.until_refresh(stepped(60, step)).is_zero(),
                "{step}"
            );
            assert_eq!(window.remaining(stepped(60, step)).as_secs(), 3540);
        }
        assert!(!window.is_servable(stepped(3590, -3000)), "the wall clock was set back");
        assert!(window.until_refresh(stepped(1800, -1800)).is_zero());
    }

    #[test]
    fn a_lifetime_below_the_margin_is_never_served_and_refreshed_after_one_second() {
        let window = Window::new(after(0), Duration::from_millis(100), 0.0);
        assert!(!window.is_servable(after(0)));
        assert_eq!(window.until_refresh(after(0)), Duration::from_secs(1));
    }

    #[test]
    fn an_endless_window_is_always_served_and_never_due() {
        let window = Window::endless(after(0));
        assert!(
            window.is_servable(after(u32::MAX.into())) && window.until_refresh(after(9)) > Duration::from_secs(1 << 40)
        );
    }
}
