//! Types for the parameters of STS: role ARN, role session name, external ID, region and session duration.
//!
//! Input: text from the command line, the environment or a profile. Output: a value with a format that STS accepts.
//! Format errors are found without an STS call. The limits are those of
//! [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). Errors do not repeat the
//! invalid text: the caller shows it, unless it looks like a secret.

use std::{fmt, time::Duration};

/// Why a text is invalid: a clause to append to the name of the flag, variable or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotValid(pub(crate) String);

impl NotValid {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`, or any text that names a role of an STS other than that of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleArn {
    text: String,
    /// Whether the text has the format of AWS.
    is_aws: bool,
    partition: std::ops::Range<usize>,
    account_id: std::ops::Range<usize>,
}

impl RoleArn {
    /// Parses a role's ARN.
    ///
    /// # Errors
    /// Returns an error that names the invalid part.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let invalid =
            |reason: &str| Err(NotValid(format!("is not a role ARN (arn:aws:iam::ACCOUNT:role/NAME): {reason}")));
        if !(20..=2048).contains(&text.len()) {
            return invalid("it must have 20 to 2048 characters");
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return invalid(match character {
                '\n' | '\r' => "it contains a line break",
                ' ' | '\t' => "it contains white space",
                _ => "it contains a character that is not visible ASCII",
            });
        }
        if text.contains(['"', '\'']) {
            return invalid("it contains a quotation mark");
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, region, account_id, resource] = parts.as_slice() else {
            return invalid("it must have six parts separated by colons, and the first must be `arn`");
        };
        if !(partition == "aws" || partition.starts_with("aws-")) {
            return invalid("its partition must be `aws` or start with `aws-`");
        }
        if service != "iam" || !region.is_empty() {
            return invalid("its partition must be followed by `:iam::`");
        }
        if account_id.len() != 12 || !account_id.bytes().all(|b| b.is_ascii_digit()) {
            return invalid("its account ID must be 12 digits");
        }
        match resource.strip_prefix("role/") {
            Some(name) if !name.is_empty() && !name.ends_with('/') => {}
            _ => return invalid("its last part must be `role/` followed by the role name"),
        }
        let partition = 4..4 + partition.len();
        let account_start = partition.end + ":iam::".len();
        Ok(Self { text: text.to_owned(), is_aws: true, partition, account_id: account_start..account_start + 12 })
    }

    /// Parses the name of a role for any STS. Stores such as Ceph (`arn:aws:iam:::role/NAME`) and MinIO have their own formats.
    ///
    /// # Errors
    /// Returns an error if the name breaks the rules of the STS API: 20 to 2048 characters, without control characters.
    pub(crate) fn parse_any(text: &str) -> Result<Self, NotValid> {
        Self::parse(text).or_else(|_| {
            if !(20..=2048).contains(&text.chars().count()) {
                return Err(NotValid::new("is not a role ARN: it must have 20 to 2048 characters"));
            }
            if text.contains(|c: char| c.is_control() || c == '"') {
                return Err(NotValid::new("is not a role ARN: it contains a control character or a quotation mark"));
            }
            Ok(Self { text: text.to_owned(), is_aws: false, partition: 0..0, account_id: 0..0 })
        })
    }

    /// Returns true if AWS can have this role.
    pub(crate) fn is_aws(&self) -> bool {
        self.is_aws
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the partition ID, such as `aws` or `aws-cn`; empty if the role is not one of AWS.
    pub(crate) fn partition(&self) -> &str {
        &self.text[self.partition.clone()]
    }

    /// Returns the 12-digit ID of the account that owns the role; empty if the role is not one of AWS.
    pub(crate) fn account_id(&self) -> &str {
        &self.text[self.account_id.clone()]
    }

    /// Returns the role's path with its slashes, or `/` if the role has no path.
    pub(crate) fn path(&self) -> &str {
        if !self.is_aws {
            return "/";
        }
        let resource = &self.text[self.account_id.end + ":role".len()..];
        &resource[..=resource.rfind('/').unwrap_or_default()]
    }

    /// Returns the role name without its path.
    pub(crate) fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A role session name, shown in CloudTrail: 2 to 64 characters of `[\w+=,.@-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionName(String);

impl SessionName {
    /// Parses a role session name.
    ///
    /// # Errors
    /// Returns an error if STS would refuse the name.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        check_characters("a role session name", text, 2..=64, is_session_name_character)?;
        Ok(Self(text.to_owned()))
    }

    /// Converts any text to a valid name: replaces invalid characters with `-` and truncates it to 64 characters.
    /// Returns `credvend` if the result has fewer than 2 characters.
    pub(crate) fn mapped_from(text: &str) -> Self {
        let name: String = text.chars().take(64).map(|c| if is_session_name_character(c) { c } else { '-' }).collect();
        if name.len() < 2 { Self("credvend".to_owned()) } else { Self(name) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An external ID, which a role's trust policy may require of a third party: 2 to 1224 characters of `[\w+=,.@:/-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExternalId(String);

impl ExternalId {
    /// Parses an external ID.
    ///
    /// # Errors
    /// Returns an error if STS would refuse the external ID.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        check_characters("an external ID", text, 2..=1224, |c| is_session_name_character(c) || c == ':' || c == '/')?;
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A region name, such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Region(String);

impl Region {
    /// Parses a region name, which becomes a label of the endpoint's host name.
    ///
    /// # Errors
    /// Returns an error if the text is not a valid host name label.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let is_label_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty()
            || text.len() > 63
            || !text.bytes().all(is_label_byte)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(NotValid::new("is not a region name such as eu-central-1"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name as configured, which can be a pseudo-region.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true for a pseudo-region of old configurations that requires FIPS endpoints, such as `fips-us-east-1`.
    pub(crate) fn is_fips(&self) -> bool {
        self.0.starts_with("fips-") || self.0.ends_with("-fips")
    }

    /// Returns the region that SDKs translate a pseudo-region to, or the region itself.
    pub(crate) fn real_name(&self) -> &str {
        match self.0.as_str() {
            "fips-aws-global" | "aws-fips" | "s3-external-1" => "us-east-1",
            name => {
                let name = name.strip_suffix("-fips").unwrap_or(name);
                let Some(name) = name.strip_prefix("fips-") else { return name };
                name.strip_prefix("dkr-").or_else(|| name.strip_prefix("prod-")).unwrap_or(name)
            }
        }
    }
}

/// A requested session duration: 15 minutes to 12 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionDuration(u32);

impl SessionDuration {
    /// The longest duration with role chaining:
    /// [role chaining](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining).
    pub(crate) const LONGEST_CHAINED: Self = Self(3600);

    /// The shortest duration without a warning. SDKs that refresh 15 minutes before expiry can barely cache shorter
    /// sessions.
    pub(crate) const SHORTEST_WITHOUT_WARNING: Self = Self(1800);

    /// Parses seconds (`3600`) or a duration with units (`15m`, `1h`, `1h 30m`).
    ///
    /// # Errors
    /// Returns an error if the text is not a duration or is not between 900 s and 43,200 s.
    pub(crate) fn parse(text: &str) -> Result<Self, NotValid> {
        let length = parse_duration(text)?;
        match u32::try_from(length.as_secs()) {
            Ok(seconds @ 900..=43_200) if length.subsec_nanos() == 0 => Ok(Self(seconds)),
            _ => Err(NotValid::new("must be between 900 s (15m) and 43200 s (12h)")),
        }
    }

    pub(crate) fn as_secs(self) -> u32 {
        self.0
    }
}

impl From<SessionDuration> for Duration {
    fn from(duration: SessionDuration) -> Self {
        Self::from_secs(duration.0.into())
    }
}

/// Parses seconds or a duration with units.
///
/// # Errors
/// Returns an error if the text is neither.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, NotValid> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text)
        .map_err(|_| NotValid::new("is not a duration; use seconds (900) or units (15m, 1h)"))
}

/// Returns true for the characters of `[\w+=,.@-]`.
fn is_session_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn check_characters(
    kind: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Result<(), NotValid> {
    if !length.contains(&text.chars().count()) {
        return Err(NotValid(format!("is not {kind}: it must have {} to {} characters", length.start(), length.end())));
    }
    match text.chars().position(|c| !allowed(c)) {
        None => Ok(()),
        Some(at) => Err(NotValid(format!("is not {kind}: STS does not accept its character {}", at + 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_is_split_into_its_parts() {
        let arn = RoleArn::parse("arn:aws-us-gov:iam::123456789012:role/team/app").expect("valid");
        assert_eq!((arn.partition(), arn.account_id()), ("aws-us-gov", "123456789012"));
        assert_eq!((arn.path(), arn.name()), ("/team/", "app"));
        let plain = RoleArn::parse("arn:aws:iam::123456789012:role/app").expect("valid");
        assert_eq!((plain.path(), plain.name()), ("/", "app"));
    }

    #[test]
    fn an_invalid_role_arn_is_refused_and_not_repeated() {
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
    fn role_of_another_sts_is_any_text_of_the_allowed_length() {
        for text in ["arn:aws:iam:::role/S3Access", "arn:minio:iam:::role/x", "arn:aws:iam::tenant:role/Größe, neu"] {
            assert!(RoleArn::parse(text).is_err(), "{text}");
            let arn = RoleArn::parse_any(text).expect(text);
            assert_eq!((arn.as_str(), arn.is_aws(), arn.account_id(), arn.path()), (text, false, "", "/"));
        }
        for text in ["role", "arn:aws:iam:::role/\nS3Access", "\"arn:aws:iam:::role/S3Access\"", &"x".repeat(2049)] {
            assert!(RoleArn::parse_any(text).is_err(), "{text}");
        }
        assert!(RoleArn::parse_any("arn:aws:iam::123456789012:role/app").is_ok_and(|arn| arn.is_aws()));
    }

    #[test]
    fn session_names_are_mapped_and_truncated() {
        assert_eq!(SessionName::mapped_from("repo:org/app").as_str(), "repo-org-app");
        assert_eq!(SessionName::mapped_from(&"é".repeat(80)).as_str(), "-".repeat(64));
        assert_eq!(SessionName::mapped_from("x").as_str(), "credvend");
        assert!(SessionName::parse("a b").is_err() && SessionName::parse("a").is_err());
    }

    #[test]
    fn durations_are_seconds_or_units_within_limits() {
        let seconds = |text| SessionDuration::parse(text).map(SessionDuration::as_secs);
        assert_eq!((seconds("900"), seconds("15m"), seconds("12h")), (Ok(900), Ok(900), Ok(43_200)));
        for text in ["899", "43201", "1d", "", "-1", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_region_that_would_change_the_host_is_refused() {
        for text in ["", "eu/../evil", "eu.evil.com", "EU-WEST-1", "-eu", "eu-", &"a".repeat(64)] {
            assert!(Region::parse(text).is_err(), "{text}");
        }
    }
}
