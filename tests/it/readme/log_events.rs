//! The log events in the sources: the level, the message and the fields of each `tracing` macro.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The fields of each event, by its message and level.
pub(super) type Events = BTreeMap<(String, String), BTreeSet<String>>;

/// Returns the events of all sources. Sentences whose text depends on their values are left out: they are warnings about what the
/// user gave.
pub(super) fn in_sources() -> Events {
    let mut events = Events::new();
    add_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut events);
    events
}

fn add_directory(directory: &Path, events: &mut Events) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            add_directory(&path, events);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            code.split("tracing::").skip(1).for_each(|rest| add_macro(rest, events));
        }
    }
}

/// Adds the event of a macro such as `info!(path = %path.display(), "binary installed")`.
fn add_macro(text: &str, events: &mut Events) {
    let Some((level, rest)) = text.split_once("!(") else { return };
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return;
    }
    let arguments = arguments(rest);
    let Some((message, fields)) = arguments.iter().enumerate().find_map(|(place, argument)| {
        let message = argument.strip_prefix('"')?.strip_suffix('"')?;
        Some((message, &arguments[..place]))
    }) else {
        panic!("no message: tracing::{}", text.lines().next().unwrap_or_default());
    };
    if message.contains('{') {
        return;
    }
    let name = |argument: &String| {
        let name = argument.split(" = ").next().unwrap_or_default().trim_start_matches(['%', '?']);
        name.rsplit('.').next().unwrap_or_default().to_owned()
    };
    events.entry((message.to_owned(), level.to_uppercase())).or_default().extend(fields.iter().map(name));
}

/// Splits the arguments of a macro at the commas between them, up to its closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut depth, mut is_quoted, mut is_escaped) = (vec![String::new()], 0, false, false);
    for c in text.chars() {
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            '(' | '[' | '{' if !is_quoted => depth += 1,
            ')' if !is_quoted && depth == 0 => break,
            ')' | ']' | '}' if !is_quoted => depth -= 1,
            ',' if !is_quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        arguments.last_mut().expect("an argument").push(c);
    }
    arguments.iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}
