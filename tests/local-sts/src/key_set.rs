//! The public keys of another issuer, such as a Kubernetes API server.
//!
//! <https://www.rfc-editor.org/rfc/rfc7517>

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON Web Key Set. Keys of other types than RSA are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeySet {
    keys: Vec<Map<String, Value>>,
}

/// The reason why a key set is invalid.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// The text is not JSON, or has no array `keys`.
    #[error("cannot parse the key set: {0}")]
    Syntax(#[from] serde_json::Error),
    /// No key can verify a token.
    #[error("the key set has no RSA key with an ID, a modulus and an exponent")]
    NoRsaKey,
}

impl KeySet {
    /// Parses the content of a `jwks_uri`, such as `/openid/v1/jwks` of a Kubernetes API server.
    pub fn from_json(text: &str) -> Result<KeySet, KeySetError> {
        let set: KeySet = serde_json::from_str(text)?;
        let is_usable =
            |key: &Map<String, Value>| key.get("kid").is_some_and(Value::is_string) && public_key(key).is_some();
        if set.keys.iter().any(is_usable) { Ok(set) } else { Err(KeySetError::NoRsaKey) }
    }

    /// Returns the key with this ID.
    pub(crate) fn key(&self, id: &str) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
        self.keys.iter().filter(|key| key.get("kid").is_some_and(|found| found == id)).find_map(public_key)
    }
}

/// Returns true if the signature is one with RS256: RSASSA-PKCS1-v1_5 over SHA-256.
pub(crate) fn verifies(key: &RsaPublicKeyComponents<Vec<u8>>, message: &[u8], signature: &[u8]) -> bool {
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

fn public_key(key: &Map<String, Value>) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    let number = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
    (key.get("kty")? == "RSA").then_some(())?;
    Some(RsaPublicKeyComponents { n: number("n")?, e: number("e")? })
}
