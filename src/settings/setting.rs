//! A setting: its text, and the name of the flag, variable or profile key that holds it.

use crate::{
    arn::NotValid,
    printable,
    settings::{environment::Environment, errors::ConfigErrors},
};

/// The text of a setting and its origin. Error messages name the origin.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: String,
}

impl Setting {
    /// Returns the parsed value, or adds an error that starts with the origin and the text. For kinds of settings that are no secrets.
    pub(crate) fn check<T>(&self, parsed: Result<T, NotValid>, errors: &mut ConfigErrors) -> Option<T> {
        parsed.map_err(|error| errors.add(format!("{} {error}", self.shown()))).ok()
    }

    /// Returns the origin and the text for a message.
    pub(crate) fn shown(&self) -> String {
        shown(&self.origin, &self.text)
    }
}

/// Returns the origin and the text of a setting for a message, without a text that looks like a secret.
pub(crate) fn shown(origin: &str, text: &str) -> String {
    match printable::value(text) {
        Some(value) => format!("{origin} \"{value}\""),
        None => origin.to_owned(),
    }
}

/// Returns the error for a setting that is not a URL of the kind of `example`.
pub(crate) fn not_a_url(origin: &str, text: &str, example: &str) -> String {
    // Without the tables of Unicode, the parser of URLs refuses host names that are not in ASCII.
    let help = if text.is_ascii() { "" } else { "; write a host name that is not ASCII in Punycode (xn--...)" };
    format!("{origin} must be a URL such as {example}{help}")
}

/// Returns the meaning of a setting that is one of a few words.
///
/// # Errors
/// Returns an error that shows the text and names the words.
pub(crate) fn choose<T: Copy>(origin: &str, text: &str, words: &[(&str, T)]) -> Result<T, ConfigErrors> {
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let mut list = String::new();
        for (place, (word, _)) in words.iter().enumerate() {
            let separator = match words.len() - place {
                _ if place == 0 => "",
                1 => " or ",
                _ => ", ",
            };
            list.extend([separator, *word]);
        }
        ConfigErrors::one(format!("{} must be {list}", shown(origin, text)))
    })
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
        return flag_settings(flags, flag_name);
    }
    split_list(&env.text(variable).unwrap_or_default(), variable)
}

/// Returns the values of the flag, or the ARNs of the variable.
pub(crate) fn pick_arns(flags: &[String], flag_name: &str, env: &dyn Environment, variable: &str) -> Vec<Setting> {
    if !flags.is_empty() {
        return flag_settings(flags, flag_name);
    }
    split_arns(&env.text(variable).unwrap_or_default(), variable)
}

fn flag_settings(flags: &[String], name: &str) -> Vec<Setting> {
    flags.iter().map(|text| Setting { text: text.clone(), origin: name.to_owned() }).collect()
}

/// Returns the comma-separated items of a list.
pub(crate) fn split_list(list: &str, origin: &str) -> Vec<Setting> {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|text| Setting { text: text.to_owned(), origin: origin.to_owned() }).collect()
}

/// Returns the comma-separated ARNs of a list. Only a comma before `arn:` separates, because names of roles and policies can
/// contain commas.
pub(crate) fn split_arns(list: &str, origin: &str) -> Vec<Setting> {
    let mut arns = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let is_separator = |at: &usize| rest[at + 1..].trim_start().starts_with("arn:");
        let end = rest.match_indices(',').map(|(at, _)| at).find(is_separator).unwrap_or(rest.len());
        let arn = rest[..end].trim_matches(|c: char| c == ',' || c.is_whitespace());
        if !arn.is_empty() {
            arns.push(Setting { text: arn.to_owned(), origin: origin.to_owned() });
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    arns
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
            let text = env.text(variable).unwrap_or_default();
            errors.add(format!("{} must be true or false", shown(variable, &text)));
            flag
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_with_commas_stay_whole() {
        for (list, arns) in [
            ("arn:a:role/x,arn:a:role/y", &["arn:a:role/x", "arn:a:role/y"][..]),
            ("arn:a:role/x,y=1,+z, arn:a:role/a@b.c_d-e,", &["arn:a:role/x,y=1,+z", "arn:a:role/a@b.c_d-e"]),
            (" ,arn:a:role/x,,\n arn:a:role/y", &["arn:a:role/x", "arn:a:role/y"]),
            ("role-x,arn:a:role/y", &["role-x", "arn:a:role/y"]),
            (" , ", &[]),
            ("", &[]),
        ] {
            let split: Vec<String> = split_arns(list, "").into_iter().map(|setting| setting.text).collect();
            assert_eq!(split, arns, "{list}");
        }
    }
}
