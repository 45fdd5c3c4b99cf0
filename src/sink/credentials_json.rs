//! The fields that the container credentials document and the instance metadata document have in common.

use serde::Serialize;

use crate::credentials::Credentials;

/// Credentials on the wire.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CredentialsJson<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

impl<'a> From<&'a Credentials> for CredentialsJson<'a> {
    fn from(credentials: &'a Credentials) -> Self {
        Self {
            access_key_id: credentials.access_key_id(),
            secret_access_key: credentials.expose_secret_access_key(),
            token: credentials.expose_session_token(),
            expiration: credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default(),
            account_id: credentials.account_id(),
        }
    }
}
