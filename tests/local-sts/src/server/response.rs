//! HTTP responses.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::clock;

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// An STS response with its body rendered, before faults affect how it is sent.
pub(super) struct RenderedResponse {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) xml: String,
}

impl RenderedResponse {
    pub(super) fn into_http(self, request_id: &str) -> Response<Body> {
        let body = full(self.xml);
        xml_response(self.status, request_id, None, body)
    }
}

pub(super) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never: Infallible| match never {}).boxed()
}

pub(super) fn xml_response(status: u16, request_id: &str, length: Option<usize>, body: Body) -> Response<Body> {
    let mut response =
        Response::builder().status(status).header(CONTENT_TYPE, "text/xml").header("x-amzn-RequestId", request_id);
    if let Some(length) = length {
        response = response.header(CONTENT_LENGTH, length);
    }
    response.body(body).unwrap_or_else(|_| plain_response(StatusCode::INTERNAL_SERVER_ERROR, "invalid HTTP status"))
}

/// Sets the `Date` header to this time, in seconds since 1970.
pub(super) fn insert_date(response: &mut Response<Body>, seconds: i64) {
    if let Ok(date) = HeaderValue::try_from(clock::http_date(seconds)) {
        response.headers_mut().insert(DATE, date);
    }
}

pub(super) fn json_response(value: &serde_json::Value) -> Response<Body> {
    let mut response = plain_response(StatusCode::OK, &value.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn plain_response(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    response
}
