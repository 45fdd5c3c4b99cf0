//! Parses a credentials file as Python's [`configparser`] does, and therefore botocore, boto3 and the AWS CLI.
//!
//! Input: the bytes of a file. Output: its sections with their options, or nothing if Python refuses the file. The result
//! serves only to compare two versions of a file ([`compatibility`](super::compatibility)). It borrows the values, so that no
//! copies of secrets stay in memory.
//!
//! The dialect differs from the one of the other SDKs:
//!
//! * The file must be UTF-8 without a byte order mark. A carriage return ends a line.
//! * White space is that of Unicode. A section name is the text up to the last `]`, with the white space around it.
//! * `:` separates a name from its value too. A comment is a whole line, indented or not.
//! * A line is a continuation if its indentation is deeper than that of the property, and a property or header otherwise.
//! * A repeated section or property is an error. Section `DEFAULT` holds defaults for all sections.
//!
//! [`configparser`]: https://docs.python.org/3/library/configparser.html#supported-ini-file-structure

use std::collections::{BTreeMap, btree_map::Entry};

/// The lines of a value, without empty lines at its end.
type Value<'a> = Vec<&'a str>;

/// The options of a section by name in lower case.
pub(crate) type Options<'a> = BTreeMap<String, Value<'a>>;

/// The content of a file that Python can read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ConfigParser<'a> {
    pub(crate) sections: BTreeMap<&'a str, Options<'a>>,
    /// The options of section `DEFAULT`, which apply to all sections.
    pub(crate) defaults: Options<'a>,
}

impl<'a> ConfigParser<'a> {
    /// Parses a file. Returns `None` if Python refuses it.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }

    /// Parses a file.
    ///
    /// # Errors
    /// Returns the reason why Python refuses the file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal { line: 0, problem: "it is not valid UTF-8" })?;
        let mut reader = Reader::default();
        for (index, line) in lines(text).enumerate() {
            reader.line(line).map_err(|problem| Refusal { line: index + 1, problem })?;
        }
        let Reader { mut parsed, .. } = reader;
        for value in parsed.sections.values_mut().chain([&mut parsed.defaults]).flat_map(BTreeMap::values_mut) {
            while value.pop_if(|line| line.is_empty()).is_some() {}
        }
        Ok(parsed)
    }

    /// Returns false if botocore refuses the file because an option of a section, possibly by default, is a block with a line that is
    /// not `name = value`.
    pub(crate) fn is_accepted_by_botocore(&self) -> bool {
        let is_accepted = |own: &Options<'_>| {
            let defaults = self.defaults.iter().filter(|(name, _)| !own.contains_key(*name)).map(|(_, value)| value);
            own.values().chain(defaults).all(|value| is_text_or_properties(value))
        };
        self.sections.values().all(is_accepted)
    }

    /// Returns the value of an option, possibly the default, or `None` if it is not a single line.
    pub(super) fn value(&self, section: &str, option: &str) -> Option<&'a str> {
        let value = self.sections.get(section)?.get(option).or_else(|| self.defaults.get(option))?;
        match value.as_slice() {
            &[line] => Some(line),
            _ => None,
        }
    }

    /// Returns true if a section has an option, possibly by default.
    pub(super) fn has(&self, section: &str, option: &str) -> bool {
        let options = self.sections.get(section);
        options.is_some_and(|options| options.contains_key(option) || self.defaults.contains_key(option))
    }
}

/// Why Python refuses a file. The text does not show the line, which can contain a secret.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Line number, from 1; 0 if the whole file is concerned.
    pub(super) line: usize,
    pub(super) problem: &'static str,
}

#[derive(Default)]
struct Reader<'a> {
    parsed: ConfigParser<'a>,
    section: Option<&'a str>,
    /// The option that a continuation line belongs to.
    option: Option<String>,
    /// Indentation of the last line that was not a continuation, in characters.
    indentation: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), &'static str> {
        let text = line.trim_matches(is_white_space);
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        if text.is_empty() {
            if let Some(value) = self.value() {
                value.push(text);
            }
            return Ok(());
        }
        let indentation = line.chars().take_while(|&c| is_white_space(c)).count();
        if indentation > self.indentation
            && let Some(value) = self.value()
        {
            value.push(text);
            return Ok(());
        }
        self.indentation = indentation;
        match header(text) {
            Some(name) => self.enter(name),
            None => self.set(text),
        }
    }

    fn value(&mut self) -> Option<&mut Value<'a>> {
        let option = self.option.as_ref()?;
        self.parsed.options(self.section?).get_mut(option)
    }

    fn enter(&mut self, name: &'a str) -> Result<(), &'static str> {
        if name != DEFAULT_SECTION {
            match self.parsed.sections.entry(name) {
                Entry::Occupied(_) => return Err("the section is repeated"),
                Entry::Vacant(vacant) => vacant.insert(Options::new()),
            };
        }
        self.section = Some(name);
        self.option = None;
        Ok(())
    }

    fn set(&mut self, text: &'a str) -> Result<(), &'static str> {
        let section = self.section.ok_or_else(|| match text.starts_with('\u{feff}') {
            true => "it starts with a byte order mark",
            false => "there is a property before the first section header",
        })?;
        let (name, value) = text.split_once(['=', ':']).ok_or("there is no `=` in the line")?;
        let name = name.trim_end_matches(is_white_space).to_lowercase();
        if name.is_empty() {
            return Err("there is no name before the `=`");
        }
        match self.parsed.options(section).entry(name.clone()) {
            Entry::Occupied(_) => return Err("the property is repeated in its section"),
            Entry::Vacant(vacant) => vacant.insert(vec![value.trim_matches(is_white_space)]),
        };
        self.option = Some(name);
        Ok(())
    }
}

const DEFAULT_SECTION: &str = "DEFAULT";

impl<'a> ConfigParser<'a> {
    fn options(&mut self, section: &'a str) -> &mut Options<'a> {
        if section == DEFAULT_SECTION { &mut self.defaults } else { self.sections.entry(section).or_default() }
    }
}

/// Splits a text into lines as Python does when it reads a file.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn header(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    inside.rfind(']').map(|end| &inside[..end]).filter(|name| !name.is_empty())
}

/// Returns true for a value with text in its first line, and for a block of properties below an empty first line.
fn is_text_or_properties(value: &[&str]) -> bool {
    let is_property = |line: &str| line.trim_matches(is_white_space).is_empty() || line.contains('=');
    match value {
        ["", nested @ ..] => nested.iter().flat_map(|line| line.split(is_line_boundary)).all(is_property),
        _ => true,
    }
}

/// Returns true for the white space of Python's `str`.
fn is_white_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Returns true for the characters at which Python's `str.splitlines` splits.
fn is_line_boundary(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
