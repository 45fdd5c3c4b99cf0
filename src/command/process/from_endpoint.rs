//! Credentials from a running `credvend run`: one request to its container credentials endpoint, none to STS.
//!
//! The application may start before its sidecar is ready, so a refused connection and a 503 are asked again until time is up.
//! A 401 or a 404 is an answer.

use std::time::{Duration, SystemTime};

use hyper::{StatusCode, header::HeaderValue};
use serde::Deserialize;

use super::{CommandError, Exit};
use crate::{
    chain::base::container, clock::Clock, config::endpoint_client::ContainerEndpoint, credentials::Credentials,
    http::loopback, scrubber::Scrubber,
};

/// How long until the next attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an attempt may take: an endpoint answers from memory.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

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
    CommandError(CommandError),
}

/// Asks until there are credentials, a refusal, or no time left.
pub(super) async fn ask(
    endpoint: &ContainerEndpoint,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Credentials, CommandError> {
    let mut last = String::from("no answer");
    let asking = async {
        loop {
            match attempt(endpoint, clock).await {
                Attempt::Credentials(credentials) => return Ok(credentials),
                Attempt::CommandError(failed) => return Err(failed),
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
        Err(CommandError::new(Exit::Unavailable, line))
    })
}

async fn attempt(endpoint: &ContainerEndpoint, clock: &dyn Clock) -> Attempt {
    let token = match endpoint.authorization.token() {
        Ok(token) => token,
        // A file that is not there yet may come.
        Err(error) => return Attempt::NotYet(error.what),
    };
    let token = token.as_deref().map(String::as_str);
    if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
        return Attempt::CommandError(CommandError::new(Exit::Refused, endpoint.authorization.not_a_token()));
    }
    let scrubber = Scrubber::new(token);
    let answer = tokio::select! {
        answer = loopback::get_from(endpoint.address, &endpoint.host, &endpoint.path, token) => answer,
        () = clock.sleep(ATTEMPT_TIMEOUT) => Err(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())),
    };
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(why) => return Attempt::NotYet(why),
    };
    if status == StatusCode::OK {
        // The endpoint knows STS's time, and this machine's clock may be wrong: what it vends counts as unexpired.
        return match container::credentials(&body, SystemTime::UNIX_EPOCH, &scrubber) {
            Ok(credentials) if credentials.expiry().is_some() => Attempt::Credentials(credentials),
            Ok(_) => Attempt::NotYet("it gave credentials that do not say when they expire".to_owned()),
            Err(why) => Attempt::NotYet(format!("it {why}")),
        };
    }
    let message = serde_json::from_slice(&body).map(|WireError { message }| message);
    let message = message.unwrap_or_else(|_| "no container credentials endpoint".to_owned());
    let message = scrubber.clean_to(200, &message);
    let why = format!("{} ({message})", status.as_u16());
    let help = match status {
        StatusCode::UNAUTHORIZED => "mount the token that credvend run writes with --auth-token-file",
        StatusCode::FORBIDDEN => "call it by its own address, such as 127.0.0.1",
        StatusCode::NOT_FOUND => "check the path and --profile against what credvend run vends",
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => "check the URL",
        _ => return Attempt::NotYet(why),
    };
    Attempt::CommandError(CommandError::new(Exit::Refused, format!("{endpoint}: {why}; {help}")))
}
