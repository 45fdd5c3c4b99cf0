//! HTTP requests to a base on this machine or its host.
//!
//! Requests bypass all proxies. Each fetch opens a new connection, because the next fetch is about half an hour away.

use std::time::SystemTime;

use reqwest::RequestBuilder;
use rustls::ClientConfig;
use zeroize::Zeroizing;

use crate::{
    chain::{
        base::credentials_document::{self, Dialect, DocumentError},
        error::{BaseError, BaseFault},
    },
    credentials::Credentials,
    http::client::{BodyError, CallFailure, CallLimits},
    scrubber::Scrubber,
};

/// A base that is reached over HTTP, for the duration of one fetch.
pub(super) struct HttpBase {
    client: reqwest::Client,
    limits: CallLimits,
    /// The kind and address of the base, for messages.
    name: String,
    /// Help for errors that a wrong address can cause.
    help: &'static str,
}

pub(super) struct BaseResponse {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl HttpBase {
    pub(super) fn new(
        name: String,
        help: &'static str,
        limits: CallLimits,
        tls: ClientConfig,
    ) -> Result<Self, BaseError> {
        let client = limits.client(tls).pool_max_idle_per_host(1).build().map_err(|error| BaseError {
            what: format!("{name}: TLS cannot be set up: {error}"),
            help,
            fault: BaseFault::Configuration,
        })?;
        Ok(Self { client, limits, name, help })
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request and reads the whole response. Returns an error for responses that ask for a retry (429 and 5xx).
    /// `scrubber` removes secrets of the request from error messages, because a response can repeat them.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        scrubber: &Scrubber<'_>,
    ) -> Result<BaseResponse, BaseError> {
        let not_reached = |failure: CallFailure| {
            let CallFailure { reason, help } = failure;
            self.error(BaseFault::Unavailable, format!("was not reached: {reason}"), help.unwrap_or(self.help))
        };
        let mut response = request.send().await.map_err(|error| not_reached(self.limits.describe(&error)))?;
        let body = self.limits.read(&mut response).await.map_err(|error| match error {
            BodyError::Cut(reason) => not_reached(CallFailure { reason, help: None }),
            BodyError::TooLarge(max) => self.invalid_response(format!("returned more than {max} bytes")),
        })?;
        let response = BaseResponse { status: response.status().as_u16(), body };
        match response.status {
            429 | 500.. => Err(self.error(
                BaseFault::Unavailable,
                format!("returned {}", response.describe(scrubber)),
                "retry later, and see the log of that service",
            )),
            _ => Ok(response),
        }
    }

    /// Parses the credentials in the body of a response.
    pub(super) fn credentials(
        &self,
        dialect: Dialect,
        body: &[u8],
        now: SystemTime,
        scrubber: &Scrubber<'_>,
    ) -> Result<Credentials, BaseError> {
        credentials_document::read(dialect, body, Some(now), scrubber).map_err(|error| match error {
            DocumentError::ErrorResponse(_) => {
                self.error(BaseFault::Refused, error, "fix the problem that the error names")
            }
            // The response can come from a proxy, or from a base with a temporary failure, so it is retried.
            DocumentError::Malformed(_) => self.invalid_response(error),
            DocumentError::Expired { .. } => self.error(
                BaseFault::Unavailable,
                error,
                "find out why that service does not renew them, and check the node's clock",
            ),
        })
    }

    fn invalid_response(&self, what: impl std::fmt::Display) -> BaseError {
        self.error(BaseFault::Unavailable, what, self.help)
    }

    /// Returns an error that starts with the name of this base.
    pub(super) fn error(&self, fault: BaseFault, what: impl std::fmt::Display, help: &'static str) -> BaseError {
        BaseError { what: format!("{} {what}", self.name), help, fault }
    }
}

impl BaseResponse {
    /// Describes the response by its status and the message in its body.
    pub(super) fn describe(&self, scrubber: &Scrubber<'_>) -> String {
        #[derive(Default, serde::Deserialize)]
        struct Wire {
            #[serde(alias = "Message")]
            message: Option<String>,
        }
        let text = String::from_utf8_lossy(&self.body);
        // If the body has both spellings of the key, parsing fails, and the whole body is used.
        let message = serde_json::from_slice::<Wire>(&self.body).unwrap_or_default().message;
        let message = scrubber.clean_to(200, message.as_deref().unwrap_or(text.trim()));
        if message.is_empty() { format!("HTTP {}", self.status) } else { format!("HTTP {}: {message}", self.status) }
    }
}
