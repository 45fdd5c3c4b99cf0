//! The form fields of a request, and AWS's constraints on their values.

use std::collections::BTreeMap;

use crate::error::StsError;

/// The decoded form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    fields: BTreeMap<String, String>,
}

impl Parameters {
    /// Decodes an `application/x-www-form-urlencoded` body. Duplicate fields are an error.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, StsError> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(StsError::new("MalformedInput", 400, format!("Duplicate parameter {name}")));
            }
        }
        Ok(Self { fields })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub(crate) fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// Returns the list that is encoded as `Name.member.N` and `Name.member.N.Part`, in order of N. Each entry maps parts
    /// to values; the part of `Name.member.N` is the empty string.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<BTreeMap<&str, &str>>, StsError> {
        let mut members: BTreeMap<usize, BTreeMap<&str, &str>> = BTreeMap::new();
        for (field, value) in &self.fields {
            let Some(rest) = field.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (index, part) = match rest.strip_prefix("member.") {
                Some(rest) => rest.split_once('.').unwrap_or((rest, "")),
                None => return Err(malformed_list(field)),
            };
            let index = index.parse().map_err(|_| malformed_list(field))?;
            members.entry(index).or_default().insert(part, value);
        }
        if members.keys().copied().ne(1..=members.len()) {
            return Err(malformed_list(name));
        }
        Ok(members.into_values().collect())
    }
}

fn malformed_list(name: &str) -> StsError {
    StsError::new("MalformedInput", 400, format!("Unexpected list element at {name}"))
}

/// Collects all violated constraints, so that one `ValidationError` reports them all, as in AWS.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    found: Vec<String>,
}

impl Violations {
    /// Returns the parameter's value, and adds a violation if it is missing.
    pub(crate) fn required<'a>(&mut self, parameters: &'a Parameters, name: &str) -> &'a str {
        match parameters.text(name) {
            Some(value) => value,
            None => {
                self.found.push(format!(
                    "Value null at '{}' failed to satisfy constraint: Member must not be null",
                    member_name(name)
                ));
                // This value satisfies every other constraint, and is not used because `finish` fails.
                "absent-absent-absent"
            }
        }
    }

    pub(crate) fn length(&mut self, name: &str, value: &str, minimum: usize, maximum: usize) {
        let length = value.chars().count();
        if length < minimum {
            self.add(name, value, &format!("Member must have length greater than or equal to {minimum}"));
        }
        if length > maximum {
            self.add(name, value, &format!("Member must have length less than or equal to {maximum}"));
        }
    }

    /// Allows ASCII letters, digits, underscore and the characters in `others`, as AWS's pattern `[\w…]*` does.
    pub(crate) fn characters(&mut self, name: &str, value: &str, others: &str, pattern: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || others.contains(c);
        if !value.chars().all(allowed) {
            self.add(name, value, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// Checks a role session name or source identity: `[\w+=,.@-]*`, 2 to 64 characters.
    pub(crate) fn session_name(&mut self, name: &str, value: &str) {
        self.characters(name, value, "+=,.@-", r"[\w+=,.@-]*");
        self.length(name, value, 2, 64);
    }

    /// Returns `DurationSeconds`: 900 to 43200 seconds, 3600 if absent.
    pub(crate) fn duration(&mut self, parameters: &Parameters) -> u64 {
        const NAME: &str = "DurationSeconds";
        let Some(text) = parameters.text(NAME) else { return 3600 };
        let Ok(seconds) = text.parse::<u64>() else {
            self.add(NAME, text, "Member must be an integer");
            return 3600;
        };
        if seconds < 900 {
            self.add(NAME, text, "Member must have value greater than or equal to 900");
        }
        if seconds > 43_200 {
            self.add(NAME, text, "Member must have value less than or equal to 43200");
        }
        seconds
    }

    pub(crate) fn add(&mut self, name: &str, value: &str, constraint: &str) {
        self.found
            .push(format!("Value '{value}' at '{}' failed to satisfy constraint: {constraint}", member_name(name)));
    }

    /// Returns one error for all violations.
    pub(crate) fn finish(self) -> Result<(), StsError> {
        match self.found.len() {
            0 => Ok(()),
            1 => Err(StsError::validation(format!("1 validation error detected: {}", self.found[0]))),
            count => {
                Err(StsError::validation(format!("{count} validation errors detected: {}", self.found.join("; "))))
            }
        }
    }
}

/// Returns the parameter's name as AWS's messages show it: `roleSessionName` for `RoleSessionName`.
fn member_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let parameters = Parameters::decode(b"A=1+2%2F3&B=&C").expect("a form");
        assert_eq!(
            (parameters.text("A"), parameters.text("B"), parameters.text("C")),
            (Some("1 2/3"), Some(""), Some(""))
        );
        assert_eq!(parameters.text("D"), None);
        assert_eq!(Parameters::decode(b"A=1&A=1").expect_err("twice").code, "MalformedInput");
    }

    #[test]
    fn lists_are_decoded_in_order() {
        let parameters = Parameters::decode(
            b"Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=x&Keys.member.1=k&TagsOther=1",
        )
        .expect("a form");
        let tags = parameters.list("Tags").expect("a list");
        assert_eq!(tags, [BTreeMap::from([("Key", "a"), ("Value", "x")]), BTreeMap::from([("Key", "b")])]);
        assert_eq!(parameters.list("Keys").expect("a list"), [BTreeMap::from([("", "k")])]);
        assert!(parameters.list("None").expect("a list").is_empty());
        for wrong in ["T.member.0=a", "T.member.2=a", "T.member.x=a", "T.1=a"] {
            let parameters = Parameters::decode(wrong.as_bytes()).expect("a form");
            assert_eq!(parameters.list("T").expect_err(wrong).code, "MalformedInput");
        }
    }

    #[test]
    fn violations_are_reported_like_those_of_aws() {
        let mut violations = Violations::default();
        violations.session_name("RoleSessionName", "a:b");
        assert_eq!(
            violations.finish().expect_err("a colon").message,
            "1 validation error detected: Value 'a:b' at 'roleSessionName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        );
        let mut violations = Violations::default();
        violations.session_name("RoleSessionName", "é");
        violations.required(&Parameters::default(), "RoleArn");
        let message = violations.finish().expect_err("three").message;
        assert!(message.starts_with("3 validation errors detected: "), "{message}");
        assert!(
            message.ends_with("; Value null at 'roleArn' failed to satisfy constraint: Member must not be null"),
            "{message}"
        );
    }
}
