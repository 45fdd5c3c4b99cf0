//! The terminal on stdout, if there is one: its size, its colors, and text that fits into it.

use std::io::IsTerminal as _;

use crate::settings::environment::Environment;

/// Size of a terminal that does not report one.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// A terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// Characters of a line.
    pub(super) columns: usize,
    pub(super) rows: usize,
    has_colors: bool,
    /// Whether the terminal understands escape sequences.
    pub(super) can_redraw: bool,
}

/// How a part of a line is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Terminal {
    /// Returns the terminal on stdout, or `None` if stdout is a file or a pipe. [`NO_COLOR`](https://no-color.org) and `TERM=dumb`
    /// disable colors.
    pub(super) fn on_stdout(env: &dyn Environment) -> Option<Self> {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let length = |length: Option<u16>, default| length.filter(|length| *length > 0).map_or(default, usize::from);
        let can_redraw = env.text("TERM").is_some_and(|term| term != "dumb");
        Some(Self {
            columns: length(size.map(|size| size.ws_col), DEFAULT_SIZE.0),
            rows: length(size.map(|size| size.ws_row), DEFAULT_SIZE.1),
            has_colors: can_redraw && env.text("NO_COLOR").is_none(),
            can_redraw,
        })
    }

    /// Returns `text` in a style, if the terminal has colors.
    pub(super) fn styled(self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
        };
        if self.has_colors && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Breaks `text` at spaces into lines. The first line has room for `first` characters, the others for `others`. A longer word, such as
/// an ARN or a policy, stays whole, so that it can be copied.
pub(super) fn wrap(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut used, mut room) = (0, first);
    for word in text.split(' ') {
        let length = word.chars().count();
        let can_be_longer = used > 0 || (lines.len() == 1 && others > first);
        if used + usize::from(used > 0) + length > room && can_be_longer {
            lines.push(String::new());
            (used, room) = (0, others);
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
            used = line.chars().count();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("a bc def", 4, 3), ["a bc", "def"]);
        assert_eq!(wrap("a arn:aws:iam b", 3, 5), ["a", "arn:aws:iam", "b"]);
        assert_eq!(wrap("longer a", 3, 8), ["", "longer a"]);
        assert_eq!(wrap("", 3, 3), [""]);
    }
}
