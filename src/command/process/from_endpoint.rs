//! Fetches credentials from the container credentials endpoint of a running `credvend run`.
//!
//! The application can start before the sidecar is ready, so a refused connection and a 503 are retried until the timeout.
//! A 401 or a 404 is a permanent failure.

use std::time::Duration;

use hyper::{StatusCode, header::HeaderValue};
use serde::Deserialize;

use crate::command::{CommandError, Exit};
use crate::{
    chain::{base::container, error::BaseFault},
    clock::Clock,
    config::endpoint_client::ContainerEndpoint,
    credentials::Credentials,
    http::loopback,
    scrubber::Scrubber,
};

/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Timeout of one attempt. The endpoint has the credentials in memory and responds fast.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The error document of an endpoint.
#[derive(Deserialize)]
struct WireError {
    message: String,
}

/// The outcome of one attempt.
enum Attempt {
    Credentials(Credentials),
    /// A transient failure with its reason.
    Retry(String),
    Failed(CommandError),
}

/// Fetches the credentials. Retries transient failures until `timeout` is over.
pub(super) async fn fetch(
    endpoint: &ContainerEndpoint,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Credentials, CommandError> {
    let mut last_reason = String::from("no response");
    let attempts = async {
        loop {
            match attempt(endpoint, clock).await {
                Attempt::Credentials(credentials) => return Ok(credentials),
                Attempt::Failed(error) => return Err(error),
                Attempt::Retry(reason) => last_reason = reason,
            }
            clock.sleep(RETRY_INTERVAL).await;
        }
    };
    let outcome = tokio::select! {
        outcome = attempts => Some(outcome),
        () = clock.sleep(timeout) => None,
    };
    outcome.unwrap_or_else(|| {
        let line = format!(
            "timed out after {}: {endpoint}: {last_reason}; check that credvend run is listening there",
            humantime::format_duration(timeout)
        );
        Err(CommandError::new(Exit::Unavailable, line))
    })
}

async fn attempt(endpoint: &ContainerEndpoint, clock: &dyn Clock) -> Attempt {
    let token = match endpoint.authorization.token() {
        Ok(token) => token,
        Err(error) if error.fault == BaseFault::Planted => {
            return Attempt::Failed(CommandError::new(Exit::Sink, error));
        }
        // The token file may not be written yet.
        Err(error) => return Attempt::Retry(error.what),
    };
    let token = token.as_deref().map(String::as_str);
    if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
        return Attempt::Failed(CommandError::new(Exit::Refused, endpoint.authorization.not_a_token()));
    }
    let scrubber = Scrubber::new(token);
    let response = tokio::select! {
        response = loopback::get_from(endpoint.address, &endpoint.host, &endpoint.path, token) => response,
        () = clock.sleep(ATTEMPT_TIMEOUT) => Err(format!("no response within {} s", ATTEMPT_TIMEOUT.as_secs())),
    };
    let (status, body) = match response {
        Ok(response) => response,
        Err(reason) => return Attempt::Retry(reason),
    };
    if status == StatusCode::OK {
        // Do not check the expiry: the endpoint vends only unexpired credentials by STS's time, and this clock may be wrong.
        return match container::credentials(&body, &scrubber) {
            Ok(credentials) if credentials.expiry().is_some() => Attempt::Credentials(credentials),
            Ok(_) => Attempt::Retry("the credentials in the response have no expiry".to_owned()),
            Err(error) => Attempt::Retry(format!("the endpoint {error}")),
        };
    }
    let message = serde_json::from_slice(&body).map(|WireError { message }| message);
    let message = message.unwrap_or_else(|_| "not a container credentials endpoint".to_owned());
    let message = scrubber.clean_to(200, &message);
    let reason = format!("{} ({message})", status.as_u16());
    let help = match status {
        StatusCode::UNAUTHORIZED => "mount the token that credvend run writes with --auth-token-file",
        StatusCode::FORBIDDEN => "use the address of the endpoint, such as 127.0.0.1",
        StatusCode::NOT_FOUND => "check the path and --profile against the profiles of credvend run",
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => "check the URL",
        _ => return Attempt::Retry(reason),
    };
    Attempt::Failed(CommandError::new(Exit::Refused, format!("{endpoint}: {reason}; {help}")))
}
