//! Credentials from a running `credvend run`: one request to its container credentials endpoint, none to STS.
//!
//! The application may start before its sidecar is ready, so a refused connection and a 503 are asked again until time is up.
//! A 401 or a 404 is an answer.

use std::time::Duration;

use hyper::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Exit, Failed};
use crate::{
    arn::RoleArn,
    clock::Clock,
    config::container::{AuthorizationToken, ContainerEndpoint},
    credentials::{Credentials, Expiry},
    loopback,
};

/// How long until the next attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an attempt may take: an endpoint answers from memory.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The endpoint's document.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    access_key_id: String,
    secret_access_key: SecretText,
    token: SecretText,
    expiration: String,
    role_arn: Option<String>,
    account_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// What an endpoint says in place of credentials.
#[derive(Deserialize)]
struct WireError {
    message: String,
}

/// What came of one attempt.
enum Attempt {
    Credentials(Credentials),
    /// Worth another, with why this one was none.
    NotYet(String),
    Failed(Failed),
}

/// Asks until there are credentials, a refusal, or no time left.
pub(super) async fn ask(
    endpoint: &ContainerEndpoint,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Credentials, Failed> {
    let mut last = String::from("no answer");
    let asking = async {
        loop {
            match attempt(endpoint, clock).await {
                Attempt::Credentials(credentials) => return Ok(credentials),
                Attempt::Failed(failed) => return Err(failed),
                Attempt::NotYet(why) => last = why,
            }
            clock.sleep(PAUSE).await;
        }
    };
    let outcome = tokio::select! {
        outcome = asking => Some(outcome),
        () = clock.sleep(timeout) => None,
    };
    outcome.unwrap_or_else(|| {
        let line = format!(
            "gave up after {}: {endpoint}: {last}; is credvend run listening there?",
            humantime::format_duration(timeout)
        );
        Err(Failed::new(Exit::Unavailable, line))
    })
}

async fn attempt(endpoint: &ContainerEndpoint, clock: &dyn Clock) -> Attempt {
    let token = match authorization_token(&endpoint.authorization) {
        Ok(token) => token,
        Err(why) => return Attempt::NotYet(why),
    };
    let token = token.as_ref().map(|token| token.expose_secret().trim());
    let answer = tokio::select! {
        answer = loopback::get_from(endpoint.address, &endpoint.host, &endpoint.path, token) => answer,
        () = clock.sleep(ATTEMPT_TIMEOUT) => Err(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())),
    };
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(why) => return Attempt::NotYet(why),
    };
    if status == StatusCode::OK {
        return match credentials(&body) {
            Some(credentials) => Attempt::Credentials(credentials),
            None => Attempt::NotYet("its answer holds no credentials".to_owned()),
        };
    }
    let message = serde_json::from_slice(&body).map(|WireError { message }| message);
    let message = message.unwrap_or_else(|_| "no container credentials endpoint".to_owned());
    let why = format!("{} ({message})", status.as_u16());
    let mend = match status {
        StatusCode::UNAUTHORIZED => "mount the token that credvend run writes with --auth-token-file",
        StatusCode::FORBIDDEN => "call it by its own address, such as 127.0.0.1",
        StatusCode::NOT_FOUND => "check the path and --profile against what credvend run vends",
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => "check the URL",
        _ => return Attempt::NotYet(why),
    };
    Attempt::Failed(Failed::new(Exit::Refused, format!("{endpoint}: {why}; {mend}")))
}

/// The token. A file that is not there yet may come.
fn authorization_token(authorization: &AuthorizationToken) -> Result<Option<SecretString>, String> {
    match authorization {
        AuthorizationToken::None => Ok(None),
        AuthorizationToken::Is(token) => Ok(Some(token.clone())),
        AuthorizationToken::In(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.into())),
            Err(error) => Err(format!("authorization token file {}: {}", path.display(), error.kind())),
        },
    }
}

fn credentials(body: &[u8]) -> Option<Credentials> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let expiry = Expiry::parse(&wire.expiration)?;
    let (secret_access_key, session_token) = (wire.secret_access_key.0, wire.token.0);
    let role_arn = wire.role_arn.and_then(|text| RoleArn::parse(&text).ok());
    Some(match role_arn {
        Some(role_arn) => Credentials::of_role(wire.access_key_id, secret_access_key, session_token, expiry, role_arn),
        None => Credentials::of_source(
            wire.access_key_id,
            secret_access_key,
            Some(session_token),
            Some(expiry),
            wire.account_id,
        ),
    })
}
