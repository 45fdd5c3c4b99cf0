//! Liveness and readiness probes. `/healthz` always succeeds. `/readyz` succeeds once every profile holds valid
//! credentials and has been written to the credentials file; `?profile=NAME` selects one profile.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, Uri};

use crate::{
    http::server::json,
    store::{Readiness, Store},
};

/// Returns the response for `/healthz` and `/readyz`, or `None` for other paths.
pub(crate) fn respond(uri: &Uri, store: &Store) -> Option<Response<Full<Bytes>>> {
    match uri.path() {
        "/healthz" => Some(json(StatusCode::OK, Bytes::from_static(b"{\"status\":\"alive\"}"))),
        "/readyz" => Some(ready(uri.query(), store)),
        _ => None,
    }
}

fn ready(query: Option<&str>, store: &Store) -> Response<Full<Bytes>> {
    let encoded = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("profile="));
    let name = encoded.map(|name| percent_encoding::percent_decode_str(name).decode_utf8_lossy());
    let (status, body) = match store.readiness(name.as_deref()) {
        None => (StatusCode::NOT_FOUND, serde_json::json!({ "status": "no such profile" })),
        Some(Readiness { without_credentials, .. }) if !without_credentials.is_empty() => (
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({ "status": "not ready", "profiles": without_credentials }),
        ),
        Some(Readiness { unwritten, .. }) if !unwritten.is_empty() => (
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({ "status": "not ready: the credentials file is not written yet", "profiles": unwritten }),
        ),
        Some(_) => (StatusCode::OK, serde_json::json!({ "status": "ready" })),
    };
    json(status, body.to_string().into())
}
