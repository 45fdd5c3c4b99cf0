//! Parses the output of `credvend -h` and `credvend COMMAND -h`.

use crate::support::Credvend;

/// The help of one command.
pub(super) struct Help {
    /// The usage line, without `[OPTIONS]`.
    pub(super) usage: String,
    pub(super) sections: Vec<Section>,
}

/// Lines under a heading such as `Options:`.
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) entries: Vec<Entry>,
}

/// A flag, an argument or a command, and its description in one line.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) text: String,
}

/// A flag and the parts of its description.
#[derive(Clone, PartialEq)]
pub(super) struct Flag {
    pub(super) flag: String,
    pub(super) variable: String,
    pub(super) default: String,
    pub(super) meaning: String,
}

/// Runs credvend with these arguments and returns its stdout.
pub(super) fn printed(arguments: &[&str]) -> String {
    Credvend::new(arguments).end().succeeded().stdout
}

/// Returns all commands in the order of `credvend -h`.
pub(super) fn commands() -> Vec<Entry> {
    let section = help(&[]).sections.into_iter().find(|section| section.heading == "Commands");
    section.expect("a section Commands").entries
}

/// Parses the short help of a command, or of the program if `command` is empty.
pub(super) fn help(command: &[&str]) -> Help {
    let text = printed(&[command, &["-h"]].concat());
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).expect("a usage line");
    let mut sections: Vec<Section> = Vec::new();
    let mut is_in_section = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indentation = line.len() - line.trim_start().len();
        if indentation == 0 {
            is_in_section = line.ends_with(':');
            if is_in_section {
                sections.push(Section { heading: line.trim_end_matches(':').to_owned(), entries: Vec::new() });
            }
        } else if let (true, Some(section)) = (is_in_section, sections.last_mut()) {
            // Continuation lines are indented further than flags and commands.
            if indentation <= 6 {
                let (name, text) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
                section.entries.push(Entry { name: name.to_owned(), text: text.trim().to_owned() });
            } else if let Some(entry) = section.entries.last_mut() {
                entry.text = format!("{} {}", entry.text, line.trim()).trim_start().to_owned();
            }
        }
    }
    Help { usage: usage.replace(" [OPTIONS]", ""), sections }
}

impl Flag {
    /// Parses the flag of an entry; returns `None` for arguments, `--help` and `--version`.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let name = &entry.name[entry.name.find("--").filter(|_| entry.name.starts_with('-'))?..];
        if ["--help", "--version"].contains(&name) {
            return None;
        }
        let mut meaning = entry.text.clone();
        let variable = cut(&mut meaning, "env").unwrap_or_default();
        let default = cut(&mut meaning, "default").unwrap_or_default();
        if let Some(values) = cut(&mut meaning, "possible values") {
            meaning.push_str(&format!(": {values}"));
        }
        // clap can print the value of a variable after an equals sign.
        let variable = variable.trim_end_matches('=').to_owned();
        Some(Self { flag: name.replace(['<', '>'], ""), variable, default, meaning })
    }
}

/// Removes `[KEY: VALUE]` from a description and returns the value.
fn cut(text: &mut String, key: &str) -> Option<String> {
    let begin = text.find(&format!("[{key}: "))?;
    let length = text[begin..].find(']')? + 1;
    let cut = text[begin + key.len() + 3..begin + length - 1].to_owned();
    text.replace_range(begin..begin + length, "");
    *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(cut)
}
