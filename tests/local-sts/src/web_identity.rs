//! Verification of web identity tokens. It checks provider, audience, times, key and signature, as AWS does.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html>

use std::collections::BTreeMap;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::signature::RsaPublicKeyComponents;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::StsError;
use crate::key_set::{self, KeySet};
use crate::role_arn::RoleArn;
use crate::signing_key::SigningKey;
use crate::world::{World, without_scheme};

const ONE_DAY: i64 = 24 * 60 * 60;
/// The number of seconds by which `iat` and `nbf` can be in the future.
const ALLOWED_SKEW: i64 = 5 * 60;

/// The issuer whose keys this server knows: the server itself, or the issuer of the world's key set.
#[derive(Clone, Copy)]
pub(crate) struct Issuer<'a> {
    pub(crate) url: &'a str,
    pub(crate) key: &'a SigningKey,
    /// The keys of another issuer, in place of the server's own key.
    pub(crate) key_set: Option<&'a KeySet>,
}

impl Issuer<'_> {
    fn public_key(&self, id: &str) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
        match self.key_set {
            Some(keys) => keys.key(id),
            None => (id == self.key.id()).then(|| self.key.public().clone()),
        }
    }
}

/// The claims of a verified token.
#[derive(Debug)]
pub(crate) struct WebIdentity {
    pub(crate) subject: String,
    /// The token's audience that is a client ID of the provider.
    pub(crate) audience: String,
    /// The issuer's URL without its scheme: the prefix of its condition keys.
    pub(crate) provider: String,
    pub(crate) provider_arn: String,
    pub(crate) source_identity: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) transitive_tag_keys: Vec<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<i64>,
    iat: Option<i64>,
    nbf: Option<i64>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<String>,
    #[serde(rename = "https://aws.amazon.com/tags", default)]
    tags: Tags,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    principal_tags: BTreeMap<String, Vec<String>>,
    transitive_tag_keys: Vec<String>,
}

impl WebIdentity {
    /// Verifies a token. The OIDC provider must be in the role's account.
    pub(crate) fn verify(
        token: &str,
        role_arn: &RoleArn,
        world: &World,
        issuer: &Issuer<'_>,
        now: i64,
    ) -> Result<Self, StsError> {
        let (signed, signature) = token.rsplit_once('.').ok_or_else(StsError::not_a_jwt)?;
        let (header, payload) = signed.split_once('.').ok_or_else(StsError::not_a_jwt)?;
        let header: Header = decode(header)?;
        let payload: Payload = decode(payload)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| StsError::not_a_jwt())?;

        let iss = required(payload.iss, "iss")?;
        let subject = required(payload.sub, "sub")?;
        let audiences = match required(payload.aud, "aud")? {
            Audience::One(audience) => vec![audience],
            Audience::Many(audiences) => audiences,
        };
        let expires_at = required(payload.exp, "exp")?;
        let issued_at = required(payload.iat, "iat")?;

        let account = world.accounts.get(&role_arn.account);
        let provider = account
            .and_then(|account| account.oidc_providers.iter().find(|provider| provider.url == iss))
            .ok_or_else(|| {
            StsError::invalid_identity_token(format!("No OpenIDConnect provider found in your account for {iss}"))
        })?;
        let audience = audiences
            .into_iter()
            .find(|audience| provider.client_ids.contains(audience))
            .ok_or_else(|| StsError::invalid_identity_token("Incorrect token audience"))?;

        check_times(issued_at, payload.nbf, expires_at, now)?;

        let key = header.kid.as_deref().and_then(|id| issuer.public_key(id));
        let key = key.filter(|_| header.alg == "RS256" && iss == issuer.url).ok_or_else(StsError::verification_key)?;
        if !key_set::verifies(&key, signed.as_bytes(), &signature) {
            return Err(StsError::invalid_identity_token("JWT signature is invalid"));
        }

        let provider = without_scheme(&iss).to_owned();
        let tags = payload.tags.principal_tags.into_iter();
        Ok(Self {
            subject,
            audience,
            provider_arn: format!("arn:{}:iam::{}:oidc-provider/{provider}", role_arn.partition, role_arn.account),
            provider,
            source_identity: payload.source_identity,
            tags: tags.filter_map(|(key, values)| Some((key, values.into_iter().next()?))).collect(),
            transitive_tag_keys: payload.tags.transitive_tag_keys,
        })
    }
}

fn check_times(issued_at: i64, not_before: Option<i64>, expires_at: i64, now: i64) -> Result<(), StsError> {
    let expired = |message: String| StsError::new("ExpiredTokenException", 400, message);
    if now >= expires_at {
        return Err(expired(format!(
            "Token expired: current date/time {now} must be before the expiration date/time {expires_at}"
        )));
    }
    if issued_at < now - ONE_DAY {
        return Err(expired("Token too old".to_owned()));
    }
    if issued_at.max(not_before.unwrap_or(issued_at)) > now + ALLOWED_SKEW {
        return Err(StsError::invalid_identity_token("Token is not valid yet"));
    }
    Ok(())
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, StsError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| StsError::not_a_jwt())?;
    serde_json::from_slice(&bytes).map_err(|_| StsError::not_a_jwt())
}

fn required<T>(claim: Option<T>, name: &str) -> Result<T, StsError> {
    claim.ok_or_else(|| StsError::invalid_identity_token(format!("Missing a required claim: {name}")))
}
