//! The names that STS takes, parsed once: role ARN, session name, external ID, region, session duration.
//!
//! Input: text that somebody typed, or that a profile holds. Output: a value that STS will not refuse for its shape,
//! so a typing mistake costs no call. The limits are those of
//! [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). No error repeats the text it
//! refuses: somebody may have put a secret in the wrong variable.

use std::{fmt, time::Duration};

/// Why a text is not one of these names. One clause, to be put after the name of the flag, variable or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotValid(pub(crate) String);

impl NotValid {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleArn {
    text: String,
    partition: std::ops::Range<usize>,
    account_id: std::ops::Range<usize>,
}

impl RoleArn {
    /// Parses a role's ARN.
    ///
    /// # Errors
    /// Says which part is not as IAM writes it.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let wrong = |why: &str| Err(NotValid(format!("is not a role ARN (arn:aws:iam::ACCOUNT:role/NAME): {why}")));
        if !(20..=2048).contains(&text.len()) {
            return wrong("it must have 20 to 2048 characters");
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return wrong(match odd {
                '\n' | '\r' => "it holds a line break",
                ' ' | '\t' => "it holds white space",
                _ => "it holds a character other than visible ASCII",
            });
        }
        if text.contains(['"', '\'']) {
            return wrong("it holds a quotation mark");
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, region, account_id, resource] = parts.as_slice() else {
            return wrong("it must have six parts between colons, the first of them `arn`");
        };
        if !(partition == "aws" || partition.starts_with("aws-")) {
            return wrong("its partition is not `aws` or one of `aws-…`");
        }
        if service != "iam" || !region.is_empty() {
            return wrong("after the partition it must go on `:iam::`");
        }
        if account_id.len() != 12 || !account_id.bytes().all(|b| b.is_ascii_digit()) {
            return wrong("its account ID must be 12 digits");
        }
        match resource.strip_prefix("role/") {
            Some(name) if !name.is_empty() && !name.ends_with('/') => {}
            _ => return wrong("it must end in `role/` and the role's name"),
        }
        let partition = 4..4 + partition.len();
        let account_start = partition.end + ":iam::".len();
        Ok(Self { text: text.to_owned(), partition, account_id: account_start..account_start + 12 })
    }

    /// The whole ARN.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition's ID, such as `aws` or `aws-cn`.
    pub(crate) fn partition(&self) -> &str {
        &self.text[self.partition.clone()]
    }

    /// The 12 digits of the account that owns the role.
    pub(crate) fn account_id(&self) -> &str {
        &self.text[self.account_id.clone()]
    }

    /// The role's path, between slashes; a slash where it has none.
    pub(crate) fn path(&self) -> &str {
        let resource = &self.text[self.account_id.end + ":role".len()..];
        &resource[..=resource.rfind('/').unwrap_or_default()]
    }

    /// The role's name, without its path.
    pub(crate) fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A role session name: what CloudTrail shows of who held the credentials. 2 to 64 of `[\w+=,.@-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionName(String);

impl SessionName {
    /// Parses a name that somebody chose.
    ///
    /// # Errors
    /// Where STS would refuse it.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        in_alphabet("a role session name", text, 2..=64, is_session_name_character)?;
        Ok(Self(text.to_owned()))
    }

    /// Makes a valid name of any text: other characters become `-`, and it is cut to 64.
    pub(crate) fn mapped_from(text: &str) -> Self {
        let name: String = text.chars().take(64).map(|c| if is_session_name_character(c) { c } else { '-' }).collect();
        if name.len() < 2 { Self("credvend".to_owned()) } else { Self(name) }
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An external ID, the shared word that a role's owner may demand of a third party. 2 to 1224 of `[\w+=,.@:/-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExternalId(String);

impl ExternalId {
    /// Parses an external ID.
    ///
    /// # Errors
    /// Where STS would refuse it.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        in_alphabet("an external ID", text, 2..=1224, |c| is_session_name_character(c) || c == ':' || c == '/')?;
        Ok(Self(text.to_owned()))
    }

    /// The external ID.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A region's name, such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Region(String);

impl Region {
    /// Parses a region's name, which becomes part of a host's.
    ///
    /// # Errors
    /// Where it is no host label.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty()
            || text.len() > 63
            || !text.bytes().all(label)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(NotValid::new("is not a region's name, such as eu-central-1"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long a session is asked to last: 15 minutes to 12 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionDuration(u32);

impl SessionDuration {
    /// The longest session of a role that another role assumes:
    /// [role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining).
    pub(crate) const LONGEST_CHAINED: Self = Self(3600);

    /// The shortest in which a client that renews 15 minutes before the end still has something to keep.
    pub(crate) const SHORTEST_KEPT: Self = Self(1800);

    /// Parses seconds (`3600`) or a duration with units (`15m`, `1h`, `1h 30m`).
    ///
    /// # Errors
    /// Where it is neither, or outside 900 s to 43,200 s.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let length = parse_duration(text)?;
        match u32::try_from(length.as_secs()) {
            Ok(seconds @ 900..=43_200) if length.subsec_nanos() == 0 => Ok(Self(seconds)),
            _ => Err(NotValid::new("must be 900 s (15m) to 43200 s (12h)")),
        }
    }

    /// The length in seconds, as `DurationSeconds` takes it.
    pub(crate) fn as_secs(self) -> u32 {
        self.0
    }
}

/// Parses seconds or a duration with units.
///
/// # Errors
/// Where it is neither.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, NotValid> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text)
        .map_err(|_| NotValid::new("is not a duration: write seconds (900) or units (15m, 1h)"))
}

/// `\w` and the signs that STS allows in names.
fn is_session_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn in_alphabet(
    what: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Result<(), NotValid> {
    if !length.contains(&text.chars().count()) {
        return Err(NotValid(format!("is not {what}: it must have {} to {} characters", length.start(), length.end())));
    }
    match text.chars().position(|c| !allowed(c)) {
        None => Ok(()),
        Some(at) => Err(NotValid(format!("is not {what}: STS does not take its character {}", at + 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_gives_its_parts() {
        let arn = RoleArn::parse("arn:aws-us-gov:iam::123456789012:role/team/app").expect("valid");
        assert_eq!((arn.partition(), arn.account_id()), ("aws-us-gov", "123456789012"));
        assert_eq!((arn.path(), arn.name()), ("/team/", "app"));
        let plain = RoleArn::parse("arn:aws:iam::123456789012:role/app").expect("valid");
        assert_eq!((plain.path(), plain.name()), ("/", "app"));
    }

    #[test]
    fn what_iam_does_not_write_is_refused_without_repeating_it() {
        for text in [
            "",
            "arn:aws:iam::12345678901:role/short-account",
            "arn:aws:iam::123456789012:user/not-a-role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:s3::123456789012:role/other-service",
            "arn:aws:iam:eu-west-1:123456789012:role/with-region",
            "\"arn:aws:iam::123456789012:role/quoted\"",
            "arn:aws:iam::123456789012:role/line\n",
            "arn:other:iam::123456789012:role/partition",
        ] {
            let error = RoleArn::parse(text).expect_err(text).to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn session_names_are_mapped_to_the_alphabet_and_cut() {
        assert_eq!(SessionName::mapped_from("repo:org/app").as_str(), "repo-org-app");
        assert_eq!(SessionName::mapped_from(&"é".repeat(80)).as_str(), "-".repeat(64));
        assert_eq!(SessionName::mapped_from("x").as_str(), "credvend");
        assert!(SessionName::parse("a b").is_err() && SessionName::parse("a").is_err());
    }

    #[test]
    fn durations_are_seconds_or_units_within_the_limits() {
        let seconds = |text| SessionDuration::parse(text).map(SessionDuration::as_secs);
        assert_eq!((seconds("900"), seconds("15m"), seconds("12h")), (Ok(900), Ok(900), Ok(43_200)));
        for text in ["899", "43201", "1d", "", "-1", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_region_that_could_change_the_host_is_refused() {
        for text in ["", "eu/../evil", "eu.evil.com", "EU-WEST-1", "-eu", "eu-", &"a".repeat(64)] {
            assert!(Region::parse(text).is_err(), "{text}");
        }
    }
}
