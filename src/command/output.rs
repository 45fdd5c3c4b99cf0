//! The output of the commands on stdout.

use std::io::Write as _;

use serde::Serialize;

use crate::{
    command::{CommandError, Exit},
    printable,
};

/// Lines of text for people.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Adds a line. Control and invisible characters in it, including line breaks, become visible.
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(&printable::line(line));
        self.0.push('\n');
    }

    /// Adds an empty line, except at the start.
    pub(super) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }

    /// Adds the lines of a JSON document.
    pub(super) fn json(&mut self, document: &impl Serialize) {
        // Serializing strings, numbers and maps of strings cannot fail.
        let document = serde_json::to_string_pretty(document).unwrap_or_default();
        self.0.push_str(&printable::json(&document));
        self.0.push('\n');
    }
}

/// Prints lines for people.
pub(super) fn print_lines(lines: &Lines) -> Result<(), CommandError> {
    print(&lines.0)
}

/// Prints a JSON document on several lines.
pub(super) fn print_json(document: &impl Serialize) -> Result<(), CommandError> {
    let mut lines = Lines::default();
    lines.json(document);
    print_lines(&lines)
}

/// Prints a JSON document on one line.
pub(super) fn print_json_line(document: &impl Serialize) -> Result<(), CommandError> {
    // Serializing strings, numbers and maps of strings cannot fail.
    let document = serde_json::to_string(document).unwrap_or_default();
    print(&format!("{}\n", printable::json(&document)))
}

/// Prints text as it is, such as credentials. Ignores a closed pipe, because the reader needs no more output.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandError::new(
            Exit::Sink,
            format!("cannot write to stdout: {}; check its redirection", error.kind()),
        )),
        _ => Ok(()),
    }
}
