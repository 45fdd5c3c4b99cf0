//! A setting: its text, and the name of the flag, variable or profile key that holds it.

use crate::settings::{environment::Environment, errors::ConfigErrors};

/// The text of a setting and its origin. Error messages name the origin.
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: String,
}

/// Returns the value of the flag, or the value of the first variable that is set.
pub(crate) fn pick(
    flag: Option<&String>,
    flag_name: &str,
    env: &dyn Environment,
    variables: &[&str],
) -> Option<Setting> {
    match flag {
        Some(text) => Some(Setting { text: text.clone(), origin: flag_name.to_owned() }),
        None => variables.iter().find_map(|name| Some(Setting { text: env.text(name)?, origin: (*name).to_owned() })),
    }
}

/// Returns the values of the flag, or the comma-separated values of the variable.
pub(crate) fn pick_list(flags: &[String], flag_name: &str, env: &dyn Environment, variable: &str) -> Vec<Setting> {
    if !flags.is_empty() {
        return flags.iter().map(|text| Setting { text: text.clone(), origin: flag_name.to_owned() }).collect();
    }
    let list = env.text(variable).unwrap_or_default();
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|text| Setting { text: text.to_owned(), origin: variable.to_owned() }).collect()
}

/// Splits a command line by the quoting rules of a POSIX shell, as SDKs split a `credential_process`.
pub(crate) fn split_command(setting: &Setting, errors: &mut ConfigErrors) -> Option<Vec<String>> {
    match shell_words::split(&setting.text) {
        Ok(command) if command.first().is_some_and(|program| !program.is_empty()) => return Some(command),
        Ok(_) => errors.add(format!("{} is empty; set a program", setting.origin)),
        Err(_) => errors.add(format!("{} has an unclosed quotation mark; close it", setting.origin)),
    }
    None
}

/// Returns true if the flag is given or the variable is `true`. Any value but this and `false` is an error.
pub(crate) fn switch(flag: bool, variable: &str, env: &dyn Environment, errors: &mut ConfigErrors) -> bool {
    match env.text(variable).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("false") => flag,
        Some("true") => true,
        Some(_) => {
            errors.add(format!("{variable} must be true or false"));
            flag
        }
    }
}
