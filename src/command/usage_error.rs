//! The line that reports a usage error.

/// Joins clap's error and its tips into one line, and refers to the help of the command in clap's usage line.
pub(super) fn line(text: &str) -> String {
    let mut line = String::new();
    let mut command = "credvend";
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(usage) = part.strip_prefix("Usage: ") {
            let end = usage.find(|c: char| !c.is_ascii_lowercase() && c != ' ').unwrap_or(usage.len());
            command = usage[..end].trim_end();
            break;
        }
        if !part.starts_with("For more information") {
            let separator = if line.is_empty() || line.ends_with(':') { " " } else { "; " };
            line.extend([separator, part]);
        }
    }
    format!("{}; see {command} --help", line.trim_start().trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::command::Cli;

    #[test]
    fn usage_error_is_one_line_that_refers_to_the_help_of_the_command() {
        for (arguments, expected) in [
            (&["exec"][..], "the following required arguments were not provided: <CMD>...; see credvend exec --help"),
            (&["completions", "tcsh"], "invalid value 'tcsh' for '<SHELL>'"),
            (&["--nothing"], "unexpected argument '--nothing' found; see credvend --help"),
        ] {
            let error = Cli::try_parse_from([&["credvend"], arguments].concat()).expect_err("a usage error");
            let actual = line(&error.render().to_string());
            assert!(
                actual.starts_with(expected) && actual.ends_with("--help") && !actual.contains("For more"),
                "{actual}"
            );
        }
    }
}
