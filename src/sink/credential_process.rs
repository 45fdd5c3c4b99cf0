//! The JSON document of a `credential_process`.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).

use serde::Serialize;
use zeroize::Zeroizing;

use crate::credentials::Credentials;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    session_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// Returns the document: one line of JSON.
pub(crate) fn document(credentials: &Credentials) -> Zeroizing<String> {
    let wire = Wire {
        version: 1,
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.expose_secret_access_key(),
        session_token: credentials.expose_session_token(),
        expiration: credentials.expiry().map(|expiry| expiry.to_string()),
        account_id: credentials.account_id(),
    };
    // Serializing strings and a number cannot fail.
    let mut document = serde_json::to_string(&wire).unwrap_or_default();
    document.push('\n');
    Zeroizing::new(document)
}
