//! Projected service account tokens, with the header and claims that the Kubernetes API server writes.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::random;
use crate::signing_key::SigningKey;

/// The claims of a token to mint. Start with [`Claims::service_account`] and set the fields that differ.
///
/// In JSON (`POST /_local/token`), every field is optional and `lifetime` is in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// The service account's namespace.
    pub namespace: String,
    /// The service account's name.
    pub service_account: String,
    /// The `aud` claim. An empty list omits the claim, as in tokens from service account secrets.
    pub audience: Vec<String>,
    /// The time from `iat` to `exp`.
    #[serde(with = "crate::duration_seconds")]
    pub lifetime: Duration,
    /// The difference in seconds between the server's time and `iat` and `nbf`; negative for a token from the past.
    pub issued_at_offset: i64,
    /// The name of the pod that the token is bound to.
    pub pod_name: String,
    /// The UID of that pod; random if absent.
    pub pod_uid: Option<String>,
    /// The node of that pod. `None` omits the claim, as API servers before 1.30 do.
    pub node_name: Option<String>,
    /// The `iss` claim, if it is not the server's own issuer URL.
    pub issuer: Option<String>,
    /// The `kid` in the header, if it is not the ID of the signing key.
    pub key_id: Option<String>,
    /// The `sub` claim, if it is not `system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT`.
    pub subject: Option<String>,
    /// Claims to add or replace; `null` removes a claim.
    pub extra: Map<String, Value>,
}

impl Claims {
    /// Returns the claims of a token that the kubelet projects for this service account, with the audience
    /// `sts.amazonaws.com` and a lifetime of one hour.
    pub fn service_account(namespace: &str, service_account: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            audience: vec!["sts.amazonaws.com".to_owned()],
            lifetime: Duration::from_secs(3600),
            issued_at_offset: 0,
            pod_name: format!("{service_account}-7d4b9c6f5d-x2v8q"),
            pod_uid: None,
            node_name: Some("node-1".to_owned()),
            issuer: None,
            key_id: None,
            subject: None,
            extra: Map::new(),
        }
    }

    /// Returns the signed token. `issuer` is the issuer if the claims do not name one.
    pub(crate) fn sign(&self, key: &SigningKey, issuer: &str, now: i64) -> String {
        let header = json!({"alg": "RS256", "kid": self.key_id.as_deref().unwrap_or(key.id())});
        let payload = self.payload(issuer, now);
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&payload));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn payload(&self, issuer: &str, now: i64) -> Value {
        let issued_at = now + self.issued_at_offset;
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let account = format!("{}:{}", self.namespace, self.service_account);
        let mut kubernetes = json!({
            "namespace": self.namespace,
            "pod": {"name": self.pod_name, "uid": self.pod_uid.clone().unwrap_or_else(random::uuid)},
            "serviceaccount": {"name": self.service_account, "uid": random::stable_uuid(&account)},
        });
        if let Some(node) = &self.node_name {
            kubernetes["node"] = json!({"name": node, "uid": random::stable_uuid(node)});
        }
        let mut payload = json!({
            "exp": issued_at.saturating_add(lifetime),
            "iat": issued_at,
            "iss": self.issuer.as_deref().unwrap_or(issuer),
            "jti": random::uuid(),
            "kubernetes.io": kubernetes,
            "nbf": issued_at,
            "sub": self.subject.clone().unwrap_or_else(|| format!("system:serviceaccount:{account}")),
        });
        if !self.audience.is_empty() {
            payload["aud"] = json!(self.audience);
        }
        if let Value::Object(claims) = &mut payload {
            claims.extend(self.extra.clone());
            claims.retain(|_, value| !value.is_null());
        }
        payload
    }
}

impl Default for Claims {
    /// Returns the claims of the service account in [`World::two_accounts`](crate::World::two_accounts).
    fn default() -> Self {
        Self::service_account("shop", "checkout")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(token: &str) -> Value {
        let part = token.split('.').nth(1).expect("three parts");
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    }

    #[test]
    fn a_token_has_every_claim_of_a_projected_token() {
        let key = SigningKey::shared();
        let token = Claims::service_account("shop", "checkout").sign(key, "https://issuer", 1000);
        let claims = payload(&token);
        assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
        assert_eq!(claims["sub"], "system:serviceaccount:shop:checkout");
        assert_eq!(claims["iss"], "https://issuer");
        assert_eq!((&claims["iat"], &claims["nbf"], &claims["exp"]), (&json!(1000), &json!(1000), &json!(4600)));
        assert_eq!(claims["jti"].as_str().map(str::len), Some(36));
        for bound in ["node", "pod", "serviceaccount"] {
            assert_eq!(claims["kubernetes.io"][bound]["uid"].as_str().map(str::len), Some(36), "{bound}");
        }
        assert!((900..1500).contains(&token.len()), "unusual length: {}", token.len());
        assert!(!token.ends_with('\n'));
    }

    #[test]
    fn claims_can_be_omitted_and_replaced() {
        let claims = Claims {
            audience: Vec::new(),
            node_name: None,
            issued_at_offset: -50,
            subject: Some("someone".to_owned()),
            extra: Map::from_iter([("jti".to_owned(), Value::Null), ("exp".to_owned(), json!("soon"))]),
            ..Claims::default()
        };
        let claims = payload(&claims.sign(SigningKey::shared(), "https://issuer", 1000));
        assert!(claims.get("aud").is_none() && claims.get("jti").is_none());
        assert!(claims["kubernetes.io"].get("node").is_none());
        assert_eq!((&claims["iat"], &claims["exp"], &claims["sub"]), (&json!(950), &json!("soon"), &json!("someone")));
    }
}
