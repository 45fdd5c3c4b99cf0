//! The issuer's RSA key, which signs the minted tokens and is published as a JSON Web Key Set.
//!
//! A process generates one key, at first use: generating takes a tenth of a second, and tests start many servers.
//! <https://www.rfc-editor.org/rfc/rfc7517>

mod generate;

use std::sync::OnceLock;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    public: RsaPublicKeyComponents<Vec<u8>>,
    id: String,
}

impl SigningKey {
    /// Returns the key that all servers in this process share.
    pub(crate) fn shared() -> &'static SigningKey {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(SigningKey::generate)
    }

    fn generate() -> Self {
        let pair = RsaKeyPair::from_der(&generate::private_key_der()).expect("a generated key is well-formed");
        let public = RsaPublicKeyComponents::from(pair.public());
        // Kubernetes also uses the digest of the public key as the key ID.
        let id = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(pair.public().as_ref()));
        Self { pair, public, id }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Signs with RS256: RSASSA-PKCS1-v1_5 over SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("the buffer is as long as the modulus");
        signature
    }

    pub(crate) fn public(&self) -> &RsaPublicKeyComponents<Vec<u8>> {
        &self.public
    }

    /// Returns the public key as a JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Value {
        json!({"keys": [{
            "use": "sig",
            "kty": "RSA",
            "kid": self.id,
            "alg": "RS256",
            "n": BASE64_URL_SAFE_NO_PAD.encode(&self.public.n),
            "e": BASE64_URL_SAFE_NO_PAD.encode(&self.public.e),
        }]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_set::verifies;

    #[test]
    fn a_signature_is_valid_only_for_its_message_and_key() {
        let key = SigningKey::shared();
        let signature = key.sign(b"message");
        assert!(verifies(key.public(), b"message", &signature));
        assert!(!verifies(key.public(), b"massage", &signature));
        assert!(!verifies(SigningKey::generate().public(), b"message", &signature));
    }

    #[test]
    fn the_key_set_holds_the_public_key() {
        let key = SigningKey::shared();
        let set = key.key_set();
        assert_eq!(set["keys"][0]["kid"], key.id());
        assert_eq!(set["keys"][0]["e"], "AQAB");
        assert_eq!(set["keys"][0]["n"].as_str().map(str::len), Some(342), "2048 bits in base64url");
    }
}
