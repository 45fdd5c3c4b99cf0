//! The output of the commands on stdout.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

use crate::{
    command::{
        CommandError, Exit,
        terminal::{Style, Terminal, wrap},
    },
    printable,
    settings::{errors::ConfigErrors, setting::choose},
};

/// Returns true for the output format `json`, and false for `text`.
///
/// # Errors
/// Returns an error for every other value of `--format`.
pub(super) fn is_json(format: &str) -> Result<bool, ConfigErrors> {
    choose("--format", format, &[("text", false), ("json", true)])
}

/// Lines of text for people.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    /// The terminal that shows the lines. Without one, lines are neither broken nor colored.
    terminal: Option<Terminal>,
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Lines {
    /// Creates lines for a terminal, if there is one.
    pub(super) fn on(terminal: Option<Terminal>) -> Self {
        Self { terminal, ..Self::default() }
    }

    /// Adds a line. Control and invisible characters in it, including line breaks, become visible.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(&printable::line(line));
        self.text.push('\n');
    }

    /// Adds a line of `head`, which has styles on a terminal, and `text`. A terminal shows the rest of a long text on further lines,
    /// `indent` characters from the left.
    pub(super) fn entry(&mut self, head: &[(&str, Style)], text: &str, indent: usize) {
        let text = printable::line(text);
        let mut start = String::new();
        let mut used = 0;
        for (part, style) in head {
            let part = printable::line(part);
            used += part.chars().count();
            start += &self.terminal.map_or_else(|| part.to_string(), |terminal| terminal.styled(&part, *style));
        }
        let lines = match self.terminal {
            Some(Terminal { columns, .. }) => {
                let indent = indent.min(columns / 2);
                let lines = wrap(&text, columns.saturating_sub(used), columns - indent);
                lines.join(&format!("\n{:indent$}", ""))
            }
            None => text.into_owned(),
        };
        self.text.extend([(start + &lines).trim_end(), "\n"]);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the width of the terminal in characters, if there is one.
    pub(super) fn columns(&self) -> Option<usize> {
        self.terminal.map(|terminal| terminal.columns)
    }

    /// Returns the first `count` lines of the text.
    pub(super) fn first(&self, count: usize) -> impl Iterator<Item = &str> {
        self.text.lines().take(count)
    }

    /// Adds each line of `text`.
    pub(super) fn block(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// Adds an empty line, except at the start.
    pub(super) fn gap(&mut self) {
        if !self.is_empty() {
            self.text.push('\n');
        }
    }

    /// Adds the lines of `text` as comments, except those that are comments already.
    pub(super) fn comments(&mut self, text: &Self) {
        for line in text.text.lines() {
            let separator = match line {
                "" => "#",
                line if line.starts_with('#') => "",
                _ => "# ",
            };
            self.text.extend([separator, line, "\n"]);
        }
    }

    /// Adds the lines of a JSON document.
    pub(super) fn json(&mut self, document: &impl Serialize) {
        // Serializing strings, numbers and maps of strings cannot fail.
        let document = serde_json::to_string_pretty(document).unwrap_or_default();
        self.text.push_str(&printable::json(&document));
        self.text.push('\n');
    }
}

/// Prints lines for people.
pub(super) fn print_lines(lines: &Lines) -> Result<(), CommandError> {
    print(&lines.text)
}

/// Prints a JSON document on several lines.
pub(super) fn print_json(document: &impl Serialize) -> Result<(), CommandError> {
    let mut lines = Lines::default();
    lines.json(document);
    print_lines(&lines)
}

/// Prints a JSON document on one line.
pub(super) fn print_json_line(document: &impl Serialize) -> Result<(), CommandError> {
    print(&json_line(document))
}

/// Returns a JSON document as a line.
pub(super) fn json_line(document: &impl Serialize) -> String {
    // Serializing strings, numbers and maps of strings cannot fail.
    let document = serde_json::to_string(document).unwrap_or_default();
    format!("{}\n", printable::json(&document))
}

/// Prints text as it is, such as credentials. Ignores a closed pipe, because the reader needs no more output.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    print_until_closed(text).map(|_| ())
}

/// Prints text as it is. Returns false if the reader has closed the pipe.
pub(super) fn print_until_closed(text: &str) -> Result<bool, CommandError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandError::new(
            Exit::Sink,
            format!("cannot write to stdout: {}; check its redirection", error.kind()),
        )),
        Ok(()) => Ok(true),
    }
}
