//! The document of the container credentials endpoint, rendered once for each lease.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    credentials::Credentials,
    sink::credentials_json::{CredentialsJson, render},
};

/// The document of the container credentials endpoint.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    #[serde(flatten)]
    credentials: CredentialsJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

/// Returns the document. Its memory is wiped when it is dropped.
pub(super) fn document(credentials: &Credentials) -> Bytes {
    credentials.document(|credentials| {
        let role_arn = credentials.role_arn().map(|role_arn| role_arn.as_str());
        Bytes::from_owner(render(credentials, &Wire { credentials: credentials.into(), role_arn }))
    })
}
