//! Logs on stderr, as text or JSON.
//!
//! Only credvend's own events are logged, at every level. Events of libraries are dropped, because they can contain
//! the content of requests.

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Format and minimum level of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    pub(crate) level: LevelFilter,
}

/// Installs the process-wide tracing subscriber.
pub(crate) fn start(settings: LogSettings) {
    let own = Targets::new().with_target("credvend", settings.level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry();
    // If a subscriber is already installed in this process, it stays.
    let _ = match settings.format {
        LogFormat::Text => registry.with(lines.with_ansi(false).with_filter(own)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(own)).try_init(),
    };
}
