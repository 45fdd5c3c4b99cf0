//! AWS credentials and their expiry.
//!
//! A clone shares the secrets instead of copying them. The types do not implement `Serialize`, and `Debug` shows no
//! secrets. Secrets are accessible only through methods whose names start with `expose_`; search for these to list all
//! uses.

mod field;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use time::{Date, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

pub(crate) use field::Field;

use crate::arn::RoleArn;

/// The variables from which SDKs read credentials.
pub(crate) const CREDENTIALS_VARIABLES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    // botocore reads this before AWS_SESSION_TOKEN.
    "AWS_SECURITY_TOKEN",
    // Alternative names in the SDKs for Go and Java 1.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
];

/// An access key pair with an optional session token.
#[derive(Clone)]
pub(crate) struct Credentials(Arc<Inner>);

struct Inner {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    expiry: Option<Expiry>,
    role_arn: Option<RoleArn>,
    /// Only for credentials that STS did not issue and whose source reports the account. A role ARN contains its
    /// account.
    account_id: Option<String>,
    document: OnceLock<Bytes>,
}

impl Credentials {
    /// Creates the temporary credentials that STS issued for `role_arn`.
    pub(crate) fn of_role(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: SecretString,
        expiry: Expiry,
        role_arn: RoleArn,
    ) -> Self {
        Self(Arc::new(Inner {
            access_key_id,
            secret_access_key,
            session_token: Some(session_token),
            expiry: Some(expiry),
            role_arn: Some(role_arn),
            account_id: None,
            document: OnceLock::new(),
        }))
    }

    /// Creates credentials from a source other than STS, for the base of a chain.
    pub(crate) fn of_source(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: Option<SecretString>,
        expiry: Option<Expiry>,
        account_id: Option<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            access_key_id,
            secret_access_key,
            session_token,
            expiry,
            role_arn: None,
            account_id,
            document: OnceLock::new(),
        }))
    }

    /// Returns true if `other` shares the secrets of this value: one is a clone of the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// Exposes the secret access key.
    pub(crate) fn expose_secret_access_key(&self) -> &str {
        self.0.secret_access_key.expose_secret()
    }

    /// Exposes the session token; empty for long-term access keys.
    pub(crate) fn expose_session_token(&self) -> &str {
        self.0.session_token.as_ref().map_or("", |token| token.expose_secret())
    }

    /// Returns the expiry by STS's clock, or `None` if the source reports no expiry.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        self.0.expiry
    }

    /// Returns the ID of the account that owns the credentials, if known.
    pub(crate) fn account_id(&self) -> Option<&str> {
        let of_role = self.role_arn().map(RoleArn::account_id).filter(|id| !id.is_empty());
        of_role.or(self.0.account_id.as_deref())
    }

    /// Returns the role, or `None` for credentials that STS did not issue.
    pub(crate) fn role_arn(&self) -> Option<&RoleArn> {
        self.0.role_arn.as_ref()
    }

    /// Returns the document that the endpoint serves. The first call renders it; all listeners share it, and it exists
    /// no longer than the credentials and the responses in progress.
    pub(crate) fn document(&self, render: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.0.document.get_or_init(|| render(self)).clone()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("role_arn", &self.0.role_arn.as_ref().map(RoleArn::as_str))
            .field("expiry", &self.0.expiry)
            .finish_non_exhaustive()
    }
}

/// A time by STS's clock. It is formatted as `YYYY-MM-DDTHH:MM:SSZ`, the only form that the Rust and JavaScript SDKs
/// accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expiry(SystemTime);

impl Expiry {
    /// Parses an RFC 3339 date. An offset without a colon (`+0000`), as `date +%z` prints it and botocore accepts it,
    /// is valid too. Returns `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parse_rfc3339 =
            |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(|date| Self::from(SystemTime::from(date)));
        parse_rfc3339(text).or_else(|| {
            let (hours, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
            parse_rfc3339(&format!("{hours}:{minutes}"))
        })
    }

    pub(crate) fn as_time(self) -> SystemTime {
        self.0
    }
}

impl From<SystemTime> for Expiry {
    /// Clamps the time to the range from 1970 to the last date that can be formatted.
    fn from(time: SystemTime) -> Self {
        let last = SystemTime::from(Date::MAX.midnight().assume_utc());
        Self(time.clamp(SystemTime::UNIX_EPOCH, last))
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = OffsetDateTime::from(self.0).to_offset(UtcOffset::UTC);
        let whole_seconds = date.replace_nanosecond(0).unwrap_or(date);
        f.write_str(&whole_seconds.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_formatted_in_utc_with_whole_seconds() {
        let formatted = |text| Expiry::parse(text).expect("valid").to_string();
        assert_eq!(formatted("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z");
        assert_eq!(formatted("2026-11-21T12:00:00.987+02:00"), "2026-11-21T10:00:00Z");
        assert_eq!(formatted("2026-11-21T10:00:00+0000"), "2026-11-21T10:00:00Z");
        assert_eq!(formatted("2026-11-21T04:30:00-0530"), "2026-11-21T10:00:00Z");
        for text in ["21 November", "", "é", "2026-11-21T10:00:00", "2026-11-21T10:0000Z", "2026-11-21T10:00:00+00"] {
            assert!(Expiry::parse(text).is_none(), "{text}");
        }
        // A date that exceeds the maximum because of its offset, and milliseconds passed as seconds.
        assert_eq!(formatted("9999-12-31T23:59:59-01:00"), "9999-12-31T00:00:00Z");
        let far_future = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_322_581_000);
        assert_eq!(Expiry::from(far_future).to_string(), "9999-12-31T00:00:00Z");
    }

    #[test]
    fn debug_output_shows_no_secrets() {
        let shown = format!(
            "{:?}",
            Credentials::of_source("AKIA".into(), "hidden-key".into(), Some("hidden-token".into()), None, None)
        );
        assert!(!shown.contains("hidden") && !shown.contains("AKIA"), "{shown}");
    }
}
