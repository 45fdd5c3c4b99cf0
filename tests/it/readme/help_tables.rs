//! Generates the tables of commands and flags from the help.

use super::{
    blocks::{assert_current, handwritten, table},
    help::{Flag, commands, help},
};

#[test]
fn commands_table_matches_the_help() {
    let uses = handwritten("commands");
    let rows = commands().into_iter().map(|command| {
        let usage = format!("`{}`", help(&[&command.name]).usage);
        let typical = uses.get(&usage).cloned().unwrap_or_default();
        vec![usage, markdown(&command.text), typical]
    });
    let rows: Vec<_> = rows.collect();
    assert_current("commands", &table(&["command", "does", "typical use"], rows.clone()));
    for row in rows {
        assert!(!row[2].is_empty(), "README.md: add a typical use of {} to the last column", row[0]);
    }
}

/// A flag and the commands that have it.
type Row = (Flag, Vec<String>);

#[test]
fn flags_table_matches_the_help() {
    let mut groups: Vec<(String, Vec<Row>)> = Vec::new();
    for command in commands() {
        for section in help(&[&command.name]).sections {
            for flag in section.entries.iter().filter_map(Flag::of) {
                let group = at(&mut groups, section.heading.clone());
                at(group, flag).push(command.name.clone());
            }
        }
    }
    // Flags of single commands come last.
    groups.sort_by_key(|(heading, _)| heading == "Options");
    let mut text = String::new();
    for (heading, rows) in &groups {
        if heading == "Options" {
            let rows = rows.iter().map(|(flag, commands)| [vec![code_list(commands)], cells(flag)].concat());
            let head = ["command", "flag", "variable", "default", "meaning"];
            text.push_str(&format!("**Flags of single commands**\n\n{}\n", table(&head, rows)));
            continue;
        }
        let every: Vec<String> = commands().into_iter().map(|command| command.name).collect();
        let users: Vec<_> =
            every.iter().filter(|name| rows.iter().any(|(_, users)| users.contains(name))).cloned().collect();
        let lines = rows.iter().map(|(flag, commands)| {
            let mut cells = cells(flag);
            if *commands != users {
                cells[3].push_str(&format!(" (only {})", code_list(commands)));
            }
            cells
        });
        let users = if users == every { "every command".to_owned() } else { code_list(&users) };
        let head = ["flag", "variable", "default", "meaning"];
        text.push_str(&format!("**{heading}** ({users})\n\n{}\n", table(&head, lines)));
    }
    assert_current("flags", &text);
}

/// Returns the value of a key, and adds the key if it is missing.
fn at<K: PartialEq, V: Default>(pairs: &mut Vec<(K, V)>, key: K) -> &mut V {
    let found = pairs.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
        pairs.push((key, V::default()));
        pairs.len() - 1
    });
    &mut pairs[found].1
}

fn cells(flag: &Flag) -> Vec<String> {
    let default = match flag.default.as_str() {
        "" => String::new(),
        value if value.contains(' ') => markdown(value),
        value => format!("`{value}`"),
    };
    vec![format!("`{}`", flag.flag), markdown(&flag.variable), default, markdown(&flag.meaning)]
}

fn code_list(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Converts help text to Markdown: formats names, flags and paths as code and escapes bars.
fn markdown(text: &str) -> String {
    let mut is_code = false;
    let words = text.split(' ').map(|word| {
        let was_code = is_code;
        is_code ^= word.matches('`').count() % 2 == 1;
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && !"-_/~.".contains(c));
        let bare = if bare.ends_with("_...") { bare } else { bare.trim_end_matches('.') };
        let is_name = bare.contains('_') && bare.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        let is_flag = bare.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
        let is_path = ["/", "~/", "http://"].iter().any(|begin| bare.starts_with(begin));
        if !was_code && !word.contains('`') && (is_name || is_flag || is_path) {
            word.replacen(bare, &format!("`{bare}`"), 1)
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
