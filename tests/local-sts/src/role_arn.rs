//! The ARN of a role.

use std::fmt;
use std::str::FromStr;

use crate::error::StsError;

/// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleArn {
    pub(crate) partition: String,
    pub(crate) account: String,
    /// Starts and ends with a slash; `/` for a role without a path.
    pub(crate) path: String,
    pub(crate) name: String,
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
    let is_valid_partition = partition == "aws" || partition.starts_with("aws-");
    let is_valid_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    let is_valid_path = path.chars().all(|c| c.is_ascii_graphic());
    (is_valid_partition && is_valid_account && is_valid_name && is_valid_path).then(|| RoleArn {
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
    fn invalid_role_arns_are_refused() {
        for text in [
            "",
            "role",
            "arn:aws:iam::111111111111:user/u",
            "arn:aws:iam::11111111111:role/r",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::111111111111:role/r\n",
            "\"arn:aws:iam::111111111111:role/r\"",
            "arn:aws:sts::111111111111:assumed-role/r/s",
            "arn:gcp:iam::111111111111:role/r",
        ] {
            assert_eq!(text.parse::<RoleArn>().expect_err(text).message, "Request ARN is invalid");
        }
    }
}
