//! The document of the endpoint, rendered once a lease.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{credentials::Credentials, store::Profile};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

/// The last document of each profile, with the generation of the lease that it was made of.
#[derive(Default)]
pub(super) struct Documents(Mutex<HashMap<String, (u64, Bytes)>>);

impl Documents {
    /// The document of `credentials`, which are `profile`'s lease of this generation. Those of others than `profiles` go.
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
    let wire = Wire {
        access_key_id: credentials.access_key_id(),
        secret_access_key: credentials.expose_secret_access_key(),
        token: credentials.expose_session_token(),
        expiration: credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default(),
        account_id: credentials.account_id(),
        role_arn: credentials.role_arn().map(|role_arn| role_arn.as_str()),
    };
    // Strings always serialize. The memory is wiped when the last connection that sends it lets go.
    Bytes::from_owner(Zeroizing::new(serde_json::to_vec(&wire).unwrap_or_default()))
}
