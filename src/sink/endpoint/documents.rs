//! The documents of the container credentials endpoint, each rendered once per lease.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{credentials::Credentials, sink::credentials_json::CredentialsJson, store::Profile};

/// The document of the container credentials endpoint.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    #[serde(flatten)]
    credentials: CredentialsJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

/// The last document of each profile, with the generation of its lease.
#[derive(Default)]
pub(super) struct Documents(Mutex<HashMap<String, (u64, Bytes)>>);

impl Documents {
    /// Returns the document for the `credentials` of a profile's lease. Drops the documents of profiles that no longer exist.
    pub(super) fn of(
        &self,
        profile: &str,
        generation: u64,
        credentials: &Credentials,
        profiles: &[Arc<Profile>],
    ) -> Bytes {
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match documents.get(profile) {
            Some((rendered, document)) if *rendered == generation => document.clone(),
            _ => {
                documents.retain(|name, _| profiles.iter().any(|profile| profile.name() == name));
                let document = render(credentials);
                documents.insert(profile.to_owned(), (generation, document.clone()));
                document
            }
        }
    }
}

fn render(credentials: &Credentials) -> Bytes {
    let wire =
        Wire { credentials: credentials.into(), role_arn: credentials.role_arn().map(|role_arn| role_arn.as_str()) };
    // Serializing strings cannot fail. The memory is wiped when the last connection that sends it drops it.
    Bytes::from_owner(Zeroizing::new(serde_json::to_vec(&wire).unwrap_or_default()))
}
