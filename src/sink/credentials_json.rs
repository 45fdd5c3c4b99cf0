//! The fields that the container credentials document and the instance metadata document have in common, and the
//! rendering of documents with credentials.

use serde::Serialize;
use zeroize::Zeroizing;

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

/// Renders a document that contains these credentials once.
pub(super) fn render(credentials: &Credentials, document: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let secrets = credentials.expose_secret_access_key().len() + credentials.expose_session_token().len();
    // Enough even if JSON escapes each visible character: a buffer that grows leaves unwiped copies behind.
    let mut rendered = Zeroizing::new(Vec::with_capacity(1024 + 2 * secrets));
    // Serializing strings and numbers to memory cannot fail.
    let _ = serde_json::to_writer(&mut *rendered, document);
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer that grows leaves a copy of its content in freed memory.
    #[test]
    fn the_rendered_document_never_grows() {
        for token in ["t".repeat(16 * 1024), "\"".repeat(16 * 1024)] {
            let credentials = Credentials::of_source("ASIA".into(), "s".into(), Some(token.into()), None, None);
            let room = 1024 + 2 * (1 + 16 * 1024);
            assert_eq!(render(&credentials, &CredentialsJson::from(&credentials)).capacity(), room);
        }
    }
}
