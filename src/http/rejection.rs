//! Error responses of the listeners, as JSON documents.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};

use crate::http::server::json;

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
            "the authorization token is missing or wrong; set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        )
    }
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
