//! Temporary credentials and the moment they expire.
//!
//! Shared, not copied: a clone is a reference count. Nothing here is `Serialize`, and `Debug` shows no secret, so the
//! only ways out are the sinks' own wire documents: search for `expose_secret` to list them.

use std::{fmt, sync::Arc, time::SystemTime};

use secrecy::{ExposeSecret, SecretString};
use time::{Date, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::arn::RoleArn;

/// An access key pair with its session token, for one role.
#[derive(Clone)]
pub(crate) struct Credentials(Arc<Inner>);

struct Inner {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    expiry: Option<Expiry>,
    role_arn: Option<RoleArn>,
    /// Of what no exchange gave, as far as it was told; a role's is in its ARN.
    account_id: Option<String>,
}

impl Credentials {
    /// What STS answered for `role_arn`.
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
        }))
    }

    /// Credentials from somewhere else than an exchange, for the base of a chain.
    pub(crate) fn of_source(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: Option<SecretString>,
        expiry: Option<Expiry>,
        account_id: Option<String>,
    ) -> Self {
        let role_arn = None;
        Self(Arc::new(Inner { access_key_id, secret_access_key, session_token, expiry, role_arn, account_id }))
    }

    /// The access key's ID.
    pub(crate) fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// The secret access key, exposed.
    pub(crate) fn expose_secret_access_key(&self) -> &str {
        self.0.secret_access_key.expose_secret()
    }

    /// The session token, exposed; empty for long-term keys.
    pub(crate) fn expose_session_token(&self) -> &str {
        self.0.session_token.as_ref().map_or("", |token| token.expose_secret())
    }

    /// When they expire, by STS's clock; `None` for long-term keys.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        self.0.expiry
    }

    /// The account they belong to, where it is known.
    pub(crate) fn account_id(&self) -> Option<&str> {
        self.role_arn().map(RoleArn::account_id).or(self.0.account_id.as_deref())
    }

    /// The role they belong to; `None` for what no exchange gave.
    pub(crate) fn role_arn(&self) -> Option<&RoleArn> {
        self.0.role_arn.as_ref()
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

/// A moment by STS's clock, written `YYYY-MM-DDTHH:MM:SSZ`: the Rust and JavaScript SDKs take no other form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expiry(SystemTime);

impl Expiry {
    /// Reads an RFC 3339 date, also one whose offset lacks the colon (`+0000`), as `date +%z` writes it and botocore takes it.
    ///
    /// # Errors
    /// `None` where it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let read =
            |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(|date| Self::from(SystemTime::from(date)));
        read(text).or_else(|| {
            let (hours, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
            read(&format!("{hours}:{minutes}"))
        })
    }

    /// The moment.
    pub(crate) fn as_time(self) -> SystemTime {
        self.0
    }
}

impl From<SystemTime> for Expiry {
    /// Nothing before 1970, and nothing that no date can be written for.
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
    fn an_expiry_is_written_in_utc_with_whole_seconds() {
        let written = |text| Expiry::parse(text).expect("valid").to_string();
        assert_eq!(written("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z");
        assert_eq!(written("2026-11-21T12:00:00.987+02:00"), "2026-11-21T10:00:00Z");
        assert_eq!(written("2026-11-21T10:00:00+0000"), "2026-11-21T10:00:00Z");
        assert_eq!(written("2026-11-21T04:30:00-0530"), "2026-11-21T10:00:00Z");
        for text in ["21 November", "", "é", "2026-11-21T10:00:00", "2026-11-21T10:0000Z", "2026-11-21T10:00:00+00"] {
            assert!(Expiry::parse(text).is_none(), "{text}");
        }
        // A date that only an offset carries over the edge, and seconds that are milliseconds.
        assert_eq!(written("9999-12-31T23:59:59-01:00"), "9999-12-31T00:00:00Z");
        let far = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_322_581_000);
        assert_eq!(Expiry::from(far).to_string(), "9999-12-31T00:00:00Z");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?}",
            Credentials::of_source("AKIA".into(), "hidden-key".into(), Some("hidden-token".into()), None, None)
        );
        assert!(!shown.contains("hidden") && !shown.contains("AKIA"), "{shown}");
    }
}
