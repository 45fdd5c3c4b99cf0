//! The signals that this process ignores.

/// A set of signals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IgnoredSignals(u64);

impl IgnoredSignals {
    /// Reads the signals that are ignored now. Without `/proc`, no signal counts as ignored.
    pub(super) fn read() -> Self {
        std::fs::read_to_string("/proc/self/status").map(|status| Self::parse(&status)).unwrap_or_default()
    }

    /// Parses `/proc/self/status`.
    fn parse(status: &str) -> Self {
        let set = status.split_once("\nSigIgn:").and_then(|(_, rest)| rest.lines().next());
        Self(set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default())
    }

    pub(super) fn contains(self, signal: i32) -> bool {
        self.0 & (1 << (signal - 1)) != 0
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};

    use super::*;

    #[test]
    fn ignored_signals_are_parsed_from_the_process_status() {
        let ignored = IgnoredSignals::parse(
            "Name:\tcredvend\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\nSigCgt:\t0\n",
        );
        let is_ignored = [SIGHUP, SIGINT, SIGPIPE, SIGTERM].map(|signal| ignored.contains(signal));
        assert_eq!(is_ignored, [true, true, true, false]);
        assert!(!IgnoredSignals::parse("Name:\tcredvend\n").contains(SIGHUP));
    }
}
