//! The server's clock, which can differ from the machine's, and AWS's date formats.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// The machine's clock plus an offset in seconds, which can change while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift: AtomicI64,
}

impl Clock {
    pub(crate) fn with_shift(seconds: i64) -> Self {
        Self { shift: AtomicI64::new(seconds) }
    }

    pub(crate) fn now(&self) -> i64 {
        unix_time() + self.shift.load(Ordering::SeqCst)
    }

    pub(crate) fn set_shift(&self, seconds: i64) {
        self.shift.store(seconds, Ordering::SeqCst);
    }
}

/// Returns the machine's time in seconds since 1970. No other code in this crate reads the machine's clock.
#[allow(clippy::disallowed_methods)]
pub(crate) fn unix_time() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// 9999-12-31T23:59:59Z, the last time that has a date with four digits of the year.
pub(crate) const END_OF_9999: i64 = 253_402_300_799;

/// Formats a time like `2026-11-22T00:10:33Z`, as in `Expiration`.
pub(crate) fn iso8601(seconds: i64) -> String {
    let at = date_time(seconds);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Formats a time like `20261122T001033Z`, as in `X-Amz-Date`.
pub(crate) fn amz_date(seconds: i64) -> String {
    iso8601(seconds).replace(['-', ':'], "")
}

/// Parses the format that [`amz_date`] writes.
pub(crate) fn parse_amz_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let small = |from: usize, to: usize| u8::try_from(number(from, to)?).ok();
    let month = time::Month::try_from(small(4, 6)?).ok()?;
    let date = time::Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6, 8)?).ok()?;
    let time = time::Time::from_hms(small(9, 11)?, small(11, 13)?, small(13, 15)?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

/// Formats a time like `Sun, 22 Nov 2026 00:10:33 GMT`, as in the `Date` header.
pub(crate) fn http_date(seconds: i64) -> String {
    let at = date_time(seconds);
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        &weekday[..3],
        at.day(),
        &month[..3],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn date_time(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_formatted_like_those_of_aws() {
        let noon = 1_795_348_805; // 2026-11-22T12:00:05Z
        assert_eq!(iso8601(noon), "2026-11-22T12:00:05Z");
        assert_eq!(amz_date(noon), "20261122T120005Z");
        assert_eq!(http_date(noon), "Sun, 22 Nov 2026 12:00:05 GMT");
    }

    #[test]
    fn amz_dates_are_parsed() {
        assert_eq!(parse_amz_date("20261122T120005Z"), Some(1_795_348_805));
        for wrong in ["", "20261122T120005", "20261322T120005Z", "2026-11-22T12:00", "20261122T12000\u{e9}"] {
            assert_eq!(parse_amz_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_shift_moves_the_clock() {
        let clock = Clock::with_shift(-600);
        assert!(clock.now() <= unix_time() - 600);
        clock.set_shift(600);
        assert!(clock.now() >= unix_time() + 599);
    }
}
