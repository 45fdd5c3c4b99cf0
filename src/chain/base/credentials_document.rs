//! Credentials documents of bases: a JSON object in one of three dialects.
//!
//! Input: the document. Output: credentials. A document must have all fields that its dialect requires, only values
//! that fit into a header and a credentials file, and an expiry in the future. Errors never contain values of the
//! document, except for the code and the message of an error document.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    credentials::{Credentials, Expiry, Field},
    scrubber::Scrubber,
};

/// Maximum time to the expiry of credentials. AWS's bases issue credentials for hours; a program may take them from another
/// service, for days.
const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
    Process,
    /// [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
    Container,
    /// [Instance metadata](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html).
    InstanceMetadata,
}

/// The reason why a document provides no credentials. Displayed as a clause whose subject is the base.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DocumentError {
    /// The document does not match its dialect.
    Malformed(String),
    /// The document reports an error of the base.
    ErrorResponse(String),
    /// The credentials have expired.
    Expired { expiry: Expiry, now: Expiry },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "returned no valid credentials: {reason}"),
            Self::ErrorResponse(error) => write!(f, "returned an error: {error}"),
            Self::Expired { expiry, now } => {
                write!(f, "returned credentials that expired at {expiry} (the time is {now})")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    version: Option<serde_json::Number>,
    code: Option<String>,
    message: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    session_token: Option<Zeroizing<String>>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Parses a document. If `now` is `None`, the expiry is not compared with the time. `scrubber` removes secrets of the request
/// from the message of an error document.
pub(crate) fn read(
    dialect: Dialect,
    bytes: &[u8],
    now: Option<SystemTime>,
    scrubber: &Scrubber<'_>,
) -> Result<Credentials, DocumentError> {
    let malformed = |reason: &str| DocumentError::Malformed(reason.to_owned());
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed(if bytes.is_empty() { "nothing was returned" } else { "not a JSON object" }));
    }
    // The parser's own message can contain parts of the document.
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
        DocumentError::Malformed(format!("unexpected JSON at line {}, column {}", error.line(), error.column()))
    })?;
    match dialect {
        Dialect::Process if wire.version.as_ref().and_then(serde_json::Number::as_u64) != Some(1) => {
            return Err(malformed("Version is not the number 1"));
        }
        Dialect::InstanceMetadata if wire.code.is_none() => return Err(malformed("Code is missing")),
        Dialect::Container | Dialect::InstanceMetadata if wire.code.as_ref().is_some_and(|code| code != "Success") => {
            let text = |text: Option<String>| scrubber.clean_to(200, &text.unwrap_or_default());
            return Err(DocumentError::ErrorResponse(format!("{}: {}", text(wire.code), text(wire.message))));
        }
        _ => {}
    }
    // A script prints an empty string for an unset variable. SDKs treat the field as missing.
    let is_set = |text: &str| dialect != Dialect::Process || !text.is_empty();
    let (token, token_field) = match dialect {
        Dialect::Process => (wire.session_token.filter(|token| is_set(token)), Field::SESSION_TOKEN),
        Dialect::Container | Dialect::InstanceMetadata => (wire.token, Field::TOKEN),
    };
    let expiry = match wire.expiration {
        Some(text) => Some(Expiry::parse(&text).ok_or_else(|| malformed("Expiration is not an RFC 3339 date"))?),
        None if dialect == Dialect::InstanceMetadata => return Err(malformed("Expiration is missing")),
        None => None,
    };
    let token = match token {
        Some(token) => Some(secret(&token_field, Some(token))?),
        None if dialect != Dialect::Process => return Err(malformed("Token is missing")),
        None => None,
    };
    let access_key_id = value(&Field::ACCESS_KEY_ID, wire.access_key_id)?;
    let secret_access_key = secret(&Field::SECRET_ACCESS_KEY, wire.secret_access_key)?;
    if let (Some(expiry), Some(now)) = (expiry, now) {
        check_expiry(expiry, now)?;
    }
    let account_id = wire.account_id.filter(|id| is_set(id));
    let account_id = account_id.map(|id| value(&Field::ACCOUNT_ID, Some(id))).transpose()?;
    Ok(Credentials::of_source(access_key_id, secret_access_key, token, expiry, account_id))
}

/// Returns the value of a required field.
fn value<T: AsRef<str>>(field: &Field, value: Option<T>) -> Result<T, DocumentError> {
    let value = value.ok_or_else(|| DocumentError::Malformed(format!("{} is missing", field.name())))?;
    field.check(value.as_ref()).map_err(DocumentError::Malformed)?;
    Ok(value)
}

fn secret(field: &Field, text: Option<Zeroizing<String>>) -> Result<SecretString, DocumentError> {
    value(field, text).map(|text| SecretString::from(text.as_str()))
}

fn check_expiry(expiry: Expiry, now: SystemTime) -> Result<(), DocumentError> {
    if expiry.as_time() <= now {
        return Err(DocumentError::Expired { expiry, now: now.into() });
    }
    if expiry.as_time() > now + MAX_LIFETIME {
        let now = Expiry::from(now);
        return Err(DocumentError::Malformed(format!("Expiration {expiry} is more than a year after {now}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(dialect: Dialect, text: &str) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        read(dialect, text.as_bytes(), Some(now), &Scrubber::new([])).expect_err(text).to_string()
    }

    #[test]
    fn each_dialect_requires_its_own_fields() {
        let keys = r#""AccessKeyId":"AKIA","SecretAccessKey":"hidden""#;
        let dated = r#""Expiration":"2030-01-01T00:00:00Z""#;
        let good =
            |dialect, text: String| read(dialect, text.as_bytes(), None, &Scrubber::new([])).expect("credentials");
        assert_eq!(good(Dialect::Process, format!(r#"{{"Version":1,{keys}}}"#)).expose_session_token(), "");
        let whole = format!(r#" {{"Version":1,{keys},"SessionToken":"t",{dated},"AccountId":"1"}}"#);
        assert_eq!(good(Dialect::Process, whole).account_id(), Some("1"));
        let empty = good(Dialect::Process, format!(r#"{{"Version":1,{keys},"SessionToken":"","AccountId":""}}"#));
        assert_eq!((empty.expose_session_token(), empty.account_id()), ("", None));
        let offset = format!(r#"{{"Version":1,{keys},"Expiration":"2030-01-01T02:00:00+0200"}}"#);
        assert_eq!(good(Dialect::Process, offset).expiry(), Expiry::parse("2030-01-01T00:00:00Z"));
        assert!(good(Dialect::Container, format!(r#"{{{keys},"Token":"t"}}"#)).expiry().is_none());
        let whole = format!(r#"{{"Code":"Success",{keys},"Token":"t",{dated},"Type":"AWS-HMAC"}}"#);
        assert!(good(Dialect::InstanceMetadata, whole).expiry().is_some());
        for (dialect, text, word) in [
            (Dialect::Process, format!("{{{keys}}}"), "Version"),
            (Dialect::Process, format!(r#"{{"Version":2,{keys}}}"#), "Version"),
            (Dialect::Process, r#"{"Version":1,"AccessKeyId":"AKIA"}"#.into(), "SecretAccessKey"),
            (Dialect::Container, format!(r#"{{{keys},"Token":""}}"#), "Token is empty"),
            (Dialect::Container, format!(r#"{{{keys},"Token":"t","AccountId":""}}"#), "AccountId is empty"),
            (Dialect::Container, format!("{{{keys}}}"), "Token"),
            (Dialect::Container, format!(r#"{{{keys},"Token":"t","Expiration":""}}"#), "Expiration"),
            (Dialect::InstanceMetadata, format!(r#"{{{keys},"Token":"t",{dated}}}"#), "Code"),
            (Dialect::InstanceMetadata, format!(r#"{{"Code":"Success",{keys},"Token":"t"}}"#), "Expiration"),
        ] {
            let message = error(dialect, &text);
            assert!(message.contains(word) && !message.contains("hidden"), "{text}: {message}");
        }
    }

    #[test]
    fn malformed_documents_never_appear_in_errors() {
        for text in
            ["", "hidden", "[\"hidden\"]", r#"{"Version":"hidden"}"#, r#"{"AccessKeyId":["hidden"]}"#, "{hidden"]
        {
            for dialect in [Dialect::Process, Dialect::Container, Dialect::InstanceMetadata] {
                assert!(!error(dialect, text).contains("hidden"), "{text}");
            }
        }
        let text = r#"{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"hid\nden"}"#;
        assert!(error(Dialect::Process, text).contains("SecretAccessKey contains a character"));
    }

    #[test]
    fn error_documents_are_reported_and_expired_credentials_are_rejected() {
        let failed = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot\nassume the role app"}"#;
        for dialect in [Dialect::Container, Dialect::InstanceMetadata] {
            assert!(error(dialect, failed).ends_with("AssumeRoleUnauthorizedAccess: EC2 cannot assume the role app"));
        }
        let expired = r#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T00:16:40Z"}"#;
        assert!(error(Dialect::Container, expired).contains("expired at 1970-01-01T00:16:40Z"));
    }

    #[test]
    fn an_expiry_more_than_a_year_away_is_malformed() {
        for dialect in [Dialect::Process, Dialect::Container, Dialect::InstanceMetadata] {
            let document = |expiration: &str| {
                format!(
                    r#"{{"Version":1,"Code":"Success","AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Token":"t",
                        "Expiration":"{expiration}"}}"#
                )
            };
            let message = error(dialect, &document("9999-12-31T23:59:59Z"));
            assert!(message.contains("Expiration 9999-12-31T00:00:00Z is more than a year after 1970"), "{message}");
            let year = document("1970-12-31T00:00:00Z");
            let now = Some(SystemTime::UNIX_EPOCH);
            assert!(read(dialect, year.as_bytes(), now, &Scrubber::new([])).is_ok());
        }
    }
}
