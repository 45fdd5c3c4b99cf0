//! Log lines on stderr, for people or as JSON.
//!
//! Only credvend's own lines are written, at every level: what a library traces of a request may hold what the request
//! holds.

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Level and format of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    pub(crate) level: LevelFilter,
}

/// Installs the process-wide subscriber.
pub(crate) fn start(settings: LogSettings) {
    let own = Targets::new().with_target("credvend", settings.level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry();
    // A second start in the same process, as in the quick start, keeps the first subscriber.
    let _ = match settings.format {
        LogFormat::Text => registry.with(lines.with_ansi(false).with_filter(own)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(own)).try_init(),
    };
}
