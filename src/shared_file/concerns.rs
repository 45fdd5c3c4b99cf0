//! Finds reasons why programs will not use the credentials in a file that can be written.
//!
//! Input: the new content of a credentials file and the sections that credvend writes. Output: a clause for each reason.
//!
//! A section can hold credentials and, besides, name another source of credentials. The SDKs differ in which they prefer:
//!
//! * `role_arn`: most SDKs assume that role, or fail.
//! * `source_profile` or `credential_source` without `role_arn`: the Go and Ruby SDKs fail; the Rust SDK with the latter.
//! * `web_identity_token_file`, `sso_session`, `sso_account_id`, `sso_role_name`: botocore and the Rust SDK use that source, or fail.
//!   The Go SDK fails with the first two.
//! * Every key of SSO, even `sso_region` alone, `login_session` and `credential_process`: the Java and Rust SDKs use that source, or fail.
//!
//! `tests/clients/matrix/sections.py` compares this list with the SDKs themselves.

use super::{FileKind, configparser::ConfigParser, read};

/// Properties that name another source of credentials.
const OTHER_SOURCES: [&str; 11] = [
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "sso_region",
    "sso_account_id",
    "sso_role_name",
    "login_session",
    "credential_process",
];

/// Returns the reasons why programs will not use the credentials in `sections`.
pub(crate) fn concerns<'a>(file: &[u8], sections: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut concerns = Vec::new();
    let botocore = ConfigParser::parse(file);
    let refused =
        |programs: &str, reason: &dyn std::fmt::Display| format!("{programs} cannot read this file: {reason}");
    match &botocore {
        Err(refusal) if refusal.line == 0 => concerns.push(refused(BOTOCORE, &refusal.problem)),
        Err(refusal) => concerns.push(refused(BOTOCORE, &format_args!("line {}: {}", refusal.line, refusal.problem))),
        Ok(file) if !file.is_accepted_by_botocore() => {
            concerns.push(refused(BOTOCORE, &"an indented block has a line that is not `name = value`"));
        }
        Ok(_) => {}
    }
    let sdks = read(FileKind::Credentials, file);
    if let Err(error) = &sdks {
        concerns.push(refused("AWS SDKs other than boto3", error));
    }
    for section in sections {
        let is_set = |key: &&str| {
            sdks.as_ref()
                .is_ok_and(|file| file.profiles.named(section).is_some_and(|section| section.value(key).is_some()))
                || botocore.as_ref().is_ok_and(|file| file.has(section, key))
        };
        let others: Vec<_> = OTHER_SOURCES.into_iter().filter(is_set).collect();
        if !others.is_empty() {
            let others = others.join(", ");
            concerns.push(format!(
                "section [{section}] also has {others}: SDKs prefer that source or fail; remove it, or set another section"
            ));
        }
    }
    concerns
}

const BOTOCORE: &str = "the AWS CLI and boto3";
