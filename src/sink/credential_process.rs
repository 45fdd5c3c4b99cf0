//! The JSON document of a `credential_process`.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{credentials::Credentials, sink::credentials_json::render};

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
    let mut document = render(credentials, &wire);
    document.push(b'\n');
    // JSON is UTF-8.
    Zeroizing::new(String::from_utf8(std::mem::take(&mut *document)).unwrap_or_default())
}
