//! Logs on stderr, as text or JSON, and the last line of a failed command.
//!
//! Only credvend's own events are logged, at every level. Events of libraries are dropped, because they can contain
//! the content of requests. [`LogOutput`] is the only writer of stderr; it cleans every line.

mod queue;

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock},
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::queue::LineQueue;
use crate::printable;

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

/// The writer of stderr.
#[derive(Clone)]
pub(crate) struct LogOutput {
    format: LogFormat,
    /// Only long-running commands have a queue: a write to a pipe that nobody reads blocks, which must not stop them.
    queue: Option<Arc<LineQueue<io::Stderr>>>,
}

/// The number of log lines that this process has dropped because nothing read stderr.
static DROPPED_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Returns the counter of dropped log lines.
pub(crate) fn dropped_lines() -> Counter {
    DROPPED_LINES.clone()
}

/// Installs the process-wide tracing subscriber, which writes to `output`.
pub(crate) fn start(settings: LogSettings, output: &LogOutput) {
    let own = Targets::new().with_target("credvend", settings.level);
    // `LogOutput` cleans whole lines.
    let lines = tracing_subscriber::fmt::layer().with_writer(output.clone()).with_ansi_sanitization(false);
    let lines = lines.with_target(false);
    let registry = tracing_subscriber::registry();
    // If a subscriber is already installed in this process, it stays.
    let _ = match settings.format {
        LogFormat::Text => registry.with(lines.with_ansi(false).with_filter(own)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(own)).try_init(),
    };
}

impl LogOutput {
    /// Returns an output that writes each line at once and waits until it is written.
    pub(crate) fn direct(format: LogFormat) -> Self {
        Self { format, queue: None }
    }

    /// Returns an output that never waits: a thread writes the lines, and lines for which the queue has no room are dropped,
    /// counted and reported.
    pub(crate) fn queued(format: LogFormat) -> Self {
        let queue = LineQueue::new(io::stderr(), dropped_lines(), move |count| dropped_line(format, count));
        let queue = Arc::new(queue);
        queue.start_thread();
        Self { format, queue: Some(queue) }
    }

    /// Writes the message of a failed command as the last line, at any log level, even if the queue is full. Ignores write errors:
    /// the exit code reports the failure too.
    pub(crate) fn last_line(&self, message: &str, exit_code: u8) {
        let line = match self.format {
            LogFormat::Text => format!("credvend: {message}"),
            LogFormat::Json => {
                serde_json::json!({ "level": "ERROR", "message": message, "exit_code": exit_code }).to_string()
            }
        };
        let line = self.cleaned(&line);
        match &self.queue {
            Some(queue) => queue.push_always(line),
            None => write_now(&line),
        }
    }

    /// Waits for at most half a second until all lines are written.
    pub(crate) fn flush(&self) {
        if let Some(queue) = &self.queue {
            queue.flush();
        }
    }

    /// Writes a line, which may end with a line break.
    pub(crate) fn line(&self, line: &str) {
        let line = self.cleaned(line);
        match &self.queue {
            Some(queue) => queue.push(line),
            None => write_now(&line),
        }
    }

    fn cleaned(&self, line: &str) -> Vec<u8> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let cleaned = match self.format {
            LogFormat::Text => printable::line(line),
            LogFormat::Json => printable::json(line),
        };
        let mut cleaned = cleaned.into_owned().into_bytes();
        cleaned.push(b'\n');
        cleaned
    }
}

fn write_now(line: &[u8]) {
    // A closed stderr does not change the exit code.
    let _ = io::stderr().lock().write_all(line);
}

/// Returns the log line that reports dropped lines.
fn dropped_line(format: LogFormat, count: u64) -> Vec<u8> {
    const MESSAGE: &str = "log lines dropped";
    let mut time = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let mut line = match format {
        LogFormat::Text => format!("{time}  WARN {MESSAGE} count={count}"),
        LogFormat::Json => {
            serde_json::json!({ "timestamp": time, "level": "WARN", "message": MESSAGE, "count": count }).to_string()
        }
    };
    line.push('\n');
    line.into_bytes()
}

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// The subscriber writes each line with one call.
impl Write for &LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
