//! The signals of `--signal`.

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use signal_hook::low_level::signal_name;

use crate::{
    arn::NotValid,
    process::{blocking::spawn_blocking, by_name::processes_named},
    sink::SinkContext,
};

/// The name of the signals in metrics.
pub(super) const NAME: &str = "signal";

/// A signal for all processes whose executable has a name.
pub(super) struct ProcessSignal {
    name: String,
    signal: Signal,
}

impl ProcessSignal {
    /// Parses `NAME:SIGNAL`.
    pub(super) fn parse(text: &str) -> Result<Self, NotValid> {
        let (name, signal) =
            text.rsplit_once(':').filter(|(name, _)| !name.is_empty() && !name.contains('/')).ok_or_else(|| {
                NotValid::new("must be NAME:SIGNAL with the file name of an executable, such as fluent-bit:HUP")
            })?;
        let signal =
            parse_signal(signal).ok_or_else(|| NotValid::new("must end with a signal, such as HUP, SIGUSR1 or 10"))?;
        Ok(Self { name: name.to_owned(), signal })
    }

    /// Sends the signal. A failure is logged and counted.
    pub(super) async fn send(&self, context: &SinkContext) {
        let (name, signal) = (self.name.clone(), self.signal);
        let results = spawn_blocking(move || {
            processes_named(&name).into_iter().map(|pid| (pid, kill_process(pid, signal))).collect::<Vec<_>>()
        })
        .await;
        let Self { name: program, signal } = self;
        let signal = signal.as_raw();
        let is_sent = |result: &(Pid, Result<(), Errno>)| result.1.is_ok();
        let count = results.iter().filter(|result| is_sent(result)).count();
        // A process that has ended meanwhile needs no signal.
        let refused =
            results.iter().find_map(|(pid, result)| result.err().filter(|error| *error != Errno::SRCH).zip(Some(*pid)));
        if let Some((error, pid)) = refused {
            let pid = pid.as_raw_nonzero().get();
            let reason = "run credvend as the user of the process, or with CAP_KILL";
            tracing::warn!(program, signal, pid, %error, reason, "signal not sent");
        } else if count == 0 {
            let reason = "no executable has this name; for another container, set shareProcessNamespace";
            tracing::warn!(program, signal, reason, "no process to signal");
        } else {
            context.metrics.sink_written(NAME);
            tracing::info!(program, signal, count, "signal sent");
            return;
        }
        context.metrics.sink_failed(NAME);
    }
}

/// Parses the name of a signal, with or without `SIG` and in any case, or its number.
fn parse_signal(text: &str) -> Option<Signal> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let is_named = |number: &i32| signal_name(*number).and_then(|full| full.strip_prefix("SIG")) == Some(name);
    let number = name.parse().ok().or_else(|| (1..=31).find(is_named))?;
    Signal::from_named_raw(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in
            [("HUP", 1), ("SIGHUP", 1), ("sighup", 1), ("hup", 1), ("1", 1), ("USR1", 10), ("TERM", 15), ("WINCH", 28)]
        {
            let parsed = ProcessSignal::parse(&format!("vector:{text}")).expect("valid");
            assert_eq!((parsed.name.as_str(), parsed.signal.as_raw()), ("vector", number), "{text}");
        }
        for text in [
            "",
            "vector",
            "vector:",
            ":HUP",
            "/usr/bin/vector:HUP",
            "vector:NONE",
            "vector:0",
            "vector:-1",
            "vector:99",
            "vector:SIG",
        ] {
            assert!(ProcessSignal::parse(text).is_err(), "{text}");
        }
        assert_eq!(ProcessSignal::parse("a:b:HUP").expect("valid").name, "a:b");
    }
}
