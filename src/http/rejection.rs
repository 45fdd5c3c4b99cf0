//! Error responses of the listeners, as JSON documents.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

use crate::{http::server::json, scrubber::Scrubber};

/// Maximum length of text from a request in the log, in characters.
const MAX_LOGGED_LENGTH: usize = 80;

/// An error response.
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "the authorization token is missing or wrong; set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to its file. SDKs from before \
             2024 do not read this variable: set AWS_CONTAINER_AUTHORIZATION_TOKEN to the token, or give credvend \
             --auth-token-optional",
        )
    }
}

impl Rejection {
    /// Logs the rejection of a request to `listener`: the first one for each reason as a warning, later ones at debug level, so that
    /// no client can flood the log.
    pub(crate) fn log(&self, listener: &'static str, headers: &HeaderMap, path: &str) {
        let message = &self.message;
        let count = count(listener, self.kind());
        let clean = |text: &str| Scrubber::new([]).clean_to(MAX_LOGGED_LENGTH, text);
        let user_agent = headers.get(header::USER_AGENT).map(|agent| clean(&String::from_utf8_lossy(agent.as_bytes())));
        let (status, path) = (self.status.as_u16(), clean(path));
        let user_agent = user_agent.as_deref().unwrap_or("none");
        // Missing credentials are the fault of an exchange, which is logged where it fails.
        if count == 1 && self.status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(listener, status, reason = %message, path, user_agent, "request rejected; further ones are logged at debug level");
        } else {
            tracing::debug!(listener, status, reason = %message, path, user_agent, count, "request rejected");
        }
    }

    /// Returns the reason without what depends on the request.
    fn kind(&self) -> &'static str {
        match self.message {
            Cow::Borrowed(text) => text,
            Cow::Owned(_) => self.status.canonical_reason().unwrap_or_default(),
        }
    }
}

/// Counts a rejection, and returns the number of rejections of this kind by this listener.
fn count(listener: &'static str, kind: &'static str) -> u64 {
    /// The number of kinds is that of the messages in the code.
    static COUNTS: Mutex<BTreeMap<(&str, &str), u64>> = Mutex::new(BTreeMap::new());
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry((listener, kind)).or_default();
    *count += 1;
    *count
}

/// Builds the response for a rejection. The keys have two spellings, because SDKs differ in which one they read.
pub(crate) fn reject(rejection: &Rejection) -> Response<Full<Bytes>> {
    let Rejection { status, message } = rejection;
    let code = match *status {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        _ => "CredentialsUnavailable",
    };
    let body = serde_json::json!({ "code": code, "message": message, "Code": code, "Message": message });
    let mut response = json(*status, body.to_string().into());
    match *status {
        StatusCode::METHOD_NOT_ALLOWED => {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
