//! The ARN of a role.

use std::fmt;
use std::str::FromStr;

use crate::error::StsError;

/// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`. Roles of stores other than AWS can have no account and another partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleArn {
    pub(crate) partition: String,
    pub(crate) account: String,
    /// Starts and ends with a slash; `/` for a role without a path.
    pub(crate) path: String,
    pub(crate) name: String,
}

impl RoleArn {
    /// Returns true if AWS can have this role.
    pub(crate) fn is_aws(&self) -> bool {
        let Self { partition, account, .. } = self;
        let is_partition = partition == "aws" || partition.starts_with("aws-");
        is_partition && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
    }
}

impl FromStr for RoleArn {
    type Err = StsError;

    fn from_str(text: &str) -> Result<Self, StsError> {
        parse(text).ok_or_else(|| StsError::validation("Request ARN is invalid"))
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, account, path, name } = self;
        write!(formatter, "arn:{partition}:iam::{account}:role{path}{name}")
    }
}

fn parse(text: &str) -> Option<RoleArn> {
    let parts: Vec<&str> = text.split(':').collect();
    let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return None };
    let (path, name) = resource.strip_prefix("role/").map(|rest| rest.rsplit_once('/').unwrap_or(("", rest)))?;
    let is_valid_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    let is_valid_path = path.chars().all(|c| c.is_ascii_graphic());
    (is_valid_name && is_valid_path).then(|| RoleArn {
        partition: partition.to_owned(),
        account: account.to_owned(),
        path: if path.is_empty() { "/".to_owned() } else { format!("/{path}/") },
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_arns_display_as_the_original_text() {
        for text in ["arn:aws:iam::111111111111:role/r", "arn:aws-us-gov:iam::111111111111:role/a/b/r.x@y"] {
            assert_eq!(text.parse::<RoleArn>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn only_aws_has_partitions_of_aws_and_accounts_of_twelve_digits() {
        for (text, is_aws) in [
            ("arn:aws-cn:iam::111111111111:role/r", true),
            ("arn:aws:iam::11111111111:role/r", false),
            ("arn:gcp:iam::111111111111:role/r", false),
            ("arn:aws:iam:::role/r", false),
        ] {
            assert_eq!(text.parse::<RoleArn>().expect(text).is_aws(), is_aws, "{text}");
        }
    }

    #[test]
    fn invalid_role_arns_are_refused() {
        for text in [
            "",
            "role",
            "arn:aws:iam::111111111111:user/u",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::111111111111:role/r\n",
            "\"arn:aws:iam::111111111111:role/r\"",
            "arn:aws:sts::111111111111:assumed-role/r/s",
        ] {
            assert_eq!(text.parse::<RoleArn>().expect_err(text).message, "Request ARN is invalid");
        }
    }
}
