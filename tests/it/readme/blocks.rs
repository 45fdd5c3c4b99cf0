//! Reads code blocks, and reads and rewrites blocks between marker comments.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Serializes changes to README.md: tests run in parallel and may rewrite different blocks.
static README: Mutex<()> = Mutex::new(());

pub(super) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

pub(super) fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A fenced code block: ```` ```LANGUAGE FILE ````.
#[derive(Debug)]
pub(super) struct Fenced {
    pub(super) language: String,
    /// Name of the file that the reader writes the block to.
    pub(super) file: Option<String>,
    /// Nearest heading above the block.
    pub(super) heading: String,
    /// Line number of the opening fence, for messages.
    pub(super) line: usize,
    pub(super) text: String,
}

/// Returns all code blocks of README.md in order.
pub(super) fn fenced() -> Vec<Fenced> {
    let mut blocks: Vec<Fenced> = Vec::new();
    let (mut heading, mut is_open) = (String::new(), false);
    for (line, text) in (1..).zip(read("README.md").lines()) {
        match (text.strip_prefix("```"), is_open) {
            (Some(info), false) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let (file, heading) = (words.next(), heading.clone());
                blocks.push(Fenced { language, file, heading, line, text: String::new() });
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => {
                let block = blocks.last_mut().expect("an open block");
                block.text.push_str(text);
                block.text.push('\n');
            }
            (None, false) if text.starts_with('#') => heading = text.trim_start_matches('#').trim().to_owned(),
            (None, false) => {}
        }
    }
    assert!(!is_open, "README.md: the last code block is not closed");
    blocks
}

/// Returns the text between two marker comments of a file.
pub(super) fn marked(file: &str, name: &str) -> String {
    let text = read(file);
    let (from, to) = span(file, &text, name);
    text[from..to].to_owned()
}

fn span(file: &str, text: &str, name: &str) -> (usize, usize) {
    let find = |from: usize, marker: &str| {
        let at = text[from..].find(marker).unwrap_or_else(|| panic!("{file} has no line {marker}"));
        from + at
    };
    let begin = format!("<!-- {name}: begin -->\n");
    let from = find(0, &begin) + begin.len();
    (from, find(from, &format!("<!-- {name}: end -->")))
}

/// Asserts that a generated block of README.md is current, or rewrites it if `UPDATE_README` is set.
#[track_caller]
pub(super) fn assert_current(name: &str, generated: &str) {
    let _one_at_a_time = README.lock().unwrap_or_else(PoisonError::into_inner);
    let text = read("README.md");
    let (from, to) = span("README.md", &text, name);
    // Markdown requires an empty line before a table.
    let generated = format!("\n{}\n\n", generated.trim());
    let current = &text[from..to];
    if current == generated {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        let updated = [&text[..from], &generated, &text[to..]].concat();
        // A rename is atomic: tests that read the file at the same time see all of it.
        fs::write(path(".README.md.new"), updated).expect("README.md is written");
        fs::rename(path(".README.md.new"), path("README.md")).expect("README.md is replaced");
        return;
    }
    let only_in = |one: &str, other: &str, sign: char| -> String {
        let lines = one.lines().filter(|line| !other.lines().any(|same| same == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    panic!(
        "README.md differs from the program between the markers `{name}`:\n{}{}\
         to rewrite it: UPDATE_README=1 cargo test --test it readme",
        only_in(current, &generated, '-'),
        only_in(&generated, current, '+'),
    );
}

/// Returns the cells of each row of a Markdown table, without the header.
pub(super) fn rows(table: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in table.lines().filter(|line| line.starts_with('|')) {
        // An escaped bar is part of the cell.
        let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('\u{0}', "\\|")).collect();
        if cells.iter().all(|cell| cell.chars().all(|c| c == '-')) {
            // The row before the delimiter row is the header.
            rows.pop();
        } else {
            rows.push(cells);
        }
    }
    rows
}

/// Returns the last cell of each row by its first cell: the last column of some generated tables is written by hand.
pub(super) fn handwritten(name: &str) -> HashMap<String, String> {
    let cells = rows(&marked("README.md", name)).into_iter();
    cells.filter_map(|mut row| Some((row.first()?.clone(), row.pop()?))).collect()
}

/// Renders a Markdown table.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ")).replace("  |", " |");
    let head: Vec<_> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = vec!["---".to_owned(); head.len()];
    let rows: String = rows.into_iter().map(|row| line(&row)).collect();
    [line(&head), line(&rule), rows].concat()
}
