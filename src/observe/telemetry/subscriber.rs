//! Selects the events to log. Formats them with tracing-subscriber, which is set up for the first event: most commands log nothing, and
//! its registry of spans costs more than the rest of a command's start.

use std::sync::OnceLock;

use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _};

use super::{LogFormat, LogOutput, LogSettings};

/// Logs credvend's own events up to a level.
pub(super) struct LazySubscriber {
    settings: LogSettings,
    output: LogOutput,
    /// Not a `Dispatch`, which would take part in deciding what is enabled.
    formatter: OnceLock<Box<dyn Subscriber + Send + Sync>>,
}

impl LazySubscriber {
    pub(super) fn new(settings: LogSettings, output: LogOutput) -> Self {
        Self { settings, output, formatter: OnceLock::new() }
    }

    fn formatter(&self) -> &dyn Subscriber {
        &**self.formatter.get_or_init(|| {
            // `LogOutput` cleans whole lines.
            let lines = tracing_subscriber::fmt::layer().with_writer(self.output.clone()).with_ansi_sanitization(false);
            let lines = lines.with_target(false);
            let registry = tracing_subscriber::registry();
            match self.settings.format {
                LogFormat::Text => Box::new(registry.with(lines.with_ansi(false))),
                LogFormat::Json => Box::new(registry.with(lines.json().flatten_event(true))),
            }
        })
    }
}

impl Subscriber for LazySubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.settings.level)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_own = metadata.target().split("::").next() == Some("credvend");
        metadata.is_event() && is_own && *metadata.level() <= self.settings.level
    }

    fn event(&self, event: &Event<'_>) {
        self.formatter().event(event);
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
