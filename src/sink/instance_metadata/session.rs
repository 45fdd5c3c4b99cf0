//! Session tokens of the instance metadata service. A token carries its own start and lifetime, signed with a key of this
//! process, so the service stores no sessions and no client can end the session of another one by opening many.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hmac, rand::SystemRandom};
use secrecy::SecretString;

use crate::clock::Moment;

/// Bytes of a time in milliseconds: enough for 8,900 years.
const TIME_LENGTH: usize = 6;

/// Start by both clocks, and the lifetime in seconds. The AWS Common Runtime does not accept tokens of more than 64 characters, so
/// claims and signature together must not exceed 48 bytes.
const CLAIMS_LENGTH: usize = TIME_LENGTH + TIME_LENGTH + 3;

/// The key that signs the tokens.
pub(super) struct SessionKey(hmac::Key);

impl SessionKey {
    /// Generates a key.
    pub(super) fn generate() -> Self {
        // The generator fails only if the kernel has no source of randomness. No token must be issued then.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        #[expect(clippy::expect_used, reason = "a predictable token is worse than a panic")]
        Self(key.expect("the system's random generator works"))
    }

    /// Returns the token of a session that starts now.
    pub(super) fn start(&self, now: Moment, seconds: u32) -> SecretString {
        let wall = now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut token = [milliseconds(wall), milliseconds(now.monotonic)].concat();
        token.extend(&seconds.to_be_bytes()[1..]);
        let signature = hmac::sign(&self.0, &token);
        token.extend(signature.as_ref());
        URL_SAFE_NO_PAD.encode(token).into()
    }

    /// Returns true if `offered` is the token of a session that has not ended.
    pub(super) fn accepts(&self, offered: &[u8], now: Moment) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(offered) else { return false };
        let Some((claims, signature)) = token.split_at_checked(CLAIMS_LENGTH) else { return false };
        if hmac::verify(&self.0, claims, signature).is_err() {
            return false;
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let (start, lifetime) = claims.split_at(TIME_LENGTH + TIME_LENGTH);
        let (wall, monotonic) = start.split_at(TIME_LENGTH);
        let start = Moment {
            wall: SystemTime::UNIX_EPOCH + Duration::from_millis(number(wall)),
            monotonic: Duration::from_millis(number(monotonic)),
        };
        now.since(start) < Duration::from_secs(number(lifetime))
    }
}

fn milliseconds(length: Duration) -> [u8; TIME_LENGTH] {
    let [_, _, time @ ..] = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
    time
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn token_is_valid_for_its_lifetime_and_only_with_its_key() {
        let at = |seconds| {
            let length = Duration::from_secs(seconds);
            Moment { wall: SystemTime::UNIX_EPOCH + length, monotonic: length }
        };
        let key = SessionKey::generate();
        let token = key.start(at(1_000), 300);
        let token = token.expose_secret();
        assert!(token.len() <= 64, "the AWS Common Runtime does not accept {} characters", token.len());
        assert!(key.accepts(token.as_bytes(), at(1_000)) && key.accepts(token.as_bytes(), at(1_299)));
        assert!(!key.accepts(token.as_bytes(), at(1_300)));
        assert!(!SessionKey::generate().accepts(token.as_bytes(), at(1_000)));
        for wrong in [&token[1..], &token[..20], "", "guessed", &format!("{token}A")] {
            assert!(!key.accepts(wrong.as_bytes(), at(1_000)), "{wrong}");
        }
    }
}
