//! Durations in human-readable form.

use std::time::Duration;

/// Formats a duration with at most two units: `42 s`, `42 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(length: Duration) -> String {
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {smaller}"),
    };
    // Rounded to the nearest minute: 59 min 59 s is shown as 60 min.
    let minutes = (length.as_secs() + 30) / 60;
    match minutes {
        _ if length.as_secs() < 120 => format!("{} s", length.as_secs()),
        0..120 => format!("{minutes} min"),
        120..2_880 => two(minutes / 60, "h", minutes % 60, "min"),
        _ => two(minutes / 1_440, "d", minutes % 1_440 / 60, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (3_599, "60 min"),
            (7_200, "2 h"),
            (7_500, "2 h 5 min"),
            (172_800, "2 d"),
            (190_000, "2 d 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
