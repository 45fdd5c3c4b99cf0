//! Logs on stderr, as text or JSON, and the last line of a failed command.
//!
//! Only credvend's own events are logged, at every level. Events of libraries are dropped, because they can contain
//! the content of requests. [`LogOutput`] is the only writer of stderr; it cleans every line.

mod queue;
mod subscriber;

use std::{
    io::{self, Write},
    panic::{self, PanicHookInfo},
    sync::{Arc, LazyLock},
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::{
    filter::LevelFilter,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
};

use self::{queue::LineQueue, subscriber::LazySubscriber};
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

/// The exit code that a shell shows for SIGABRT, which ends a process after a panic.
const PANIC_EXIT_CODE: u8 = 128 + 6;

/// The number of log lines that this process has dropped because nothing read stderr.
static DROPPED_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Returns the counter of dropped log lines.
pub(crate) fn dropped_lines() -> Counter {
    DROPPED_LINES.clone()
}

/// Installs the process-wide tracing subscriber, which writes to `output`.
pub(crate) fn start(settings: LogSettings, output: &LogOutput) {
    // If a subscriber is already installed in this process, it stays.
    let _ = tracing::subscriber::set_global_default(LazySubscriber::new(settings, output.clone()));
}

/// Reports panics of this process as the last line of `output`. The hook of the standard library waits for a reader of stderr.
pub(crate) fn report_panics(output: &LogOutput) {
    let output = output.clone();
    panic::set_hook(Box::new(move |panic| {
        output.last_line(&panic_message(panic), PANIC_EXIT_CODE);
        output.flush();
    }));
}

fn panic_message(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(|location| format!(" at {}:{}", location.file(), location.line()));
    let message = panic.payload_as_str().unwrap_or("no message");
    format!("internal error{}: {message}; please report it", place.unwrap_or_default())
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test runs itself in another process")]
mod tests {
    use std::{
        env,
        io::Read as _,
        process::{Command, Stdio},
        sync::mpsc,
        thread,
        time::Duration,
    };

    use super::*;

    const CHILD: &str = "observe::telemetry::tests::child_that_panics_while_nobody_reads_stderr";
    /// The number of lines that the child writes before it panics.
    const LINES: &str = "LINES_BEFORE_PANIC";

    #[test]
    #[ignore = "a_panic_ends_the_process_although_nobody_reads_stderr runs it in a process of its own"]
    fn child_that_panics_while_nobody_reads_stderr() {
        let Some(lines) = env::var(LINES).ok().and_then(|text| text.parse().ok()) else { return };
        let output = LogOutput::queued(LogFormat::Text);
        (0..lines).for_each(|_: u32| output.line(&"x".repeat(1000)));
        report_panics(&output);
        panic!("on purpose\u{1b}");
    }

    /// Returns the command that runs the test above.
    fn child(lines: u32) -> Command {
        let mut command = Command::new(env::current_exe().expect("the test binary"));
        command.args(["--exact", CHILD, "--ignored", "--nocapture"]).env(LINES, lines.to_string());
        command
    }

    #[test]
    fn a_panic_ends_the_process_although_nobody_reads_stderr() {
        // More than the pipe holds.
        let mut child = child(100).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
        let mut unread = child.stderr.take().expect("a pipe");
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait()));
        let status = ended.recv_timeout(Duration::from_secs(10)).expect("the child process does not wait for a reader");
        assert!(!status.expect("waited").success());
        let mut text = String::new();
        unread.read_to_string(&mut text).expect("text");
        assert!(text.starts_with("xxx"), "the pipe was full: {text}");
    }

    #[test]
    fn panics_are_reported_in_one_clean_line() {
        let child = child(0).output().expect("started");
        let text = String::from_utf8(child.stderr).expect("text");
        let line = text.lines().find(|line| line.contains("internal error")).expect("a line");
        let [start, end] =
            ["credvend: internal error at src/observe/telemetry.rs:", "on purpose\\u{1b}; please report it"];
        assert!(line.starts_with(start) && line.ends_with(end), "{line:?}");
    }
}
