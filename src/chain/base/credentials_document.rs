//! The documents in which bases hand credentials over: one JSON object, three dialects.
//!
//! A document is believed only where it is whole: every field that its dialect demands, no value that a header or a file
//! could not carry, an expiry that lies ahead. No error repeats a value; of a refusal the code and the message are told.

use std::{fmt, time::SystemTime};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    credentials::{Credentials, Expiry},
    scrubber::Scrubber,
};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
    Process,
    /// [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
    Container,
    /// [Instance metadata](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html).
    InstanceMetadata,
}

/// Why a document gives no credentials. A clause that goes on from who gave it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DocumentError {
    /// It is none.
    Malformed(String),
    /// It says so itself.
    CommandError(String),
    /// They expired before they came.
    Expired { expiry: Expiry, now: Expiry },
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "gave no valid credentials: {why}"),
            Self::CommandError(why) => write!(f, "gave no credentials: {why}"),
            Self::Expired { expiry, now } => {
                write!(f, "gave credentials that had expired at {expiry} (it is {now})")
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
    secret_access_key: Option<String>,
    token: Option<String>,
    session_token: Option<String>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads a document, which may repeat what `scrubber` knows.
pub(super) fn read(
    dialect: Dialect,
    bytes: &[u8],
    now: SystemTime,
    scrubber: &Scrubber<'_>,
) -> Result<Credentials, DocumentError> {
    let malformed = |why: &str| DocumentError::Malformed(why.to_owned());
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed(if bytes.is_empty() { "nothing" } else { "no JSON object" }));
    }
    // The parser's own error could repeat what it read.
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
        DocumentError::Malformed(format!(
            "no JSON of the right form (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    match dialect {
        Dialect::Process if wire.version.as_ref().and_then(serde_json::Number::as_u64) != Some(1) => {
            return Err(malformed("its Version is not the number 1"));
        }
        Dialect::InstanceMetadata if wire.code.is_none() => return Err(malformed("it has no Code")),
        Dialect::Container | Dialect::InstanceMetadata if wire.code.as_ref().is_some_and(|code| code != "Success") => {
            let text = |text: Option<String>| scrubber.clean_to(200, &text.unwrap_or_default());
            return Err(DocumentError::CommandError(format!("{}: {}", text(wire.code), text(wire.message))));
        }
        _ => {}
    }
    // What a script prints of a variable that is not set; SDKs take it for missing.
    let given = |text: Option<String>| text.filter(|text| dialect != Dialect::Process || !text.is_empty());
    let (token, token_name) = match dialect {
        Dialect::Process => (given(wire.session_token), "SessionToken"),
        Dialect::Container | Dialect::InstanceMetadata => (wire.token, "Token"),
    };
    let expiry = match wire.expiration {
        Some(text) => Some(Expiry::parse(&text).ok_or_else(|| malformed("its Expiration is no RFC 3339 date"))?),
        None if dialect == Dialect::InstanceMetadata => return Err(malformed("it has no Expiration")),
        None => None,
    };
    let token = match token {
        Some(token) => Some(SecretString::from(value(Some(token), token_name)?)),
        None if dialect != Dialect::Process => return Err(malformed("it has no Token")),
        None => None,
    };
    let access_key_id = value(wire.access_key_id, "AccessKeyId")?;
    let secret_access_key = SecretString::from(value(wire.secret_access_key, "SecretAccessKey")?);
    if let Some(expiry) = expiry.filter(|expiry| expiry.as_time() <= now) {
        return Err(DocumentError::Expired { expiry, now: now.into() });
    }
    let account_id = given(wire.account_id).map(|id| value(Some(id), "AccountId")).transpose()?;
    Ok(Credentials::of_source(access_key_id, secret_access_key, token, expiry, account_id))
}

/// A field that must be there, of visible ASCII.
fn value(field: Option<String>, name: &str) -> Result<String, DocumentError> {
    match field {
        None => Err(DocumentError::Malformed(format!("it has no {name}"))),
        Some(value) if value.is_empty() => Err(DocumentError::Malformed(format!("its {name} is empty"))),
        Some(value) if value.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(value),
        Some(_) => Err(DocumentError::Malformed(format!("its {name} holds a character other than visible ASCII"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn why(dialect: Dialect, text: &str) -> String {
        read(dialect, text.as_bytes(), NOW + Duration::from_secs(1000), &Scrubber::new([])).expect_err(text).to_string()
    }

    #[test]
    fn each_dialect_demands_its_own_fields() {
        let keys = r#""AccessKeyId":"AKIA","SecretAccessKey":"hidden""#;
        let dated = r#""Expiration":"2030-01-01T00:00:00Z""#;
        let good =
            |dialect, text: String| read(dialect, text.as_bytes(), NOW, &Scrubber::new([])).expect("credentials");
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
            let told = why(dialect, &text);
            assert!(told.contains(word) && !told.contains("hidden"), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_no_document_is_never_repeated() {
        for text in
            ["", "hidden", "[\"hidden\"]", r#"{"Version":"hidden"}"#, r#"{"AccessKeyId":["hidden"]}"#, "{hidden"]
        {
            for dialect in [Dialect::Process, Dialect::Container, Dialect::InstanceMetadata] {
                assert!(!why(dialect, text).contains("hidden"), "{text}");
            }
        }
        let text = r#"{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"hid\nden"}"#;
        assert!(why(Dialect::Process, text).contains("SecretAccessKey holds a character"));
    }

    #[test]
    fn a_refusal_is_told_and_expired_credentials_are_none() {
        let failed = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot\nassume the role app"}"#;
        for dialect in [Dialect::Container, Dialect::InstanceMetadata] {
            assert!(why(dialect, failed).ends_with("AssumeRoleUnauthorizedAccess: EC2 cannot assume the role app"));
        }
        let expired = r#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T00:16:40Z"}"#;
        assert!(why(Dialect::Container, expired).contains("expired at 1970-01-01T00:16:40Z"));
    }
}
