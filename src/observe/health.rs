//! Liveness and readiness. Alive is whoever answers; ready is who holds valid credentials for every profile,
//! and has written them into its files once.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, Uri};

use crate::{
    http::server::json,
    store::{Readiness, Store},
};

/// Answers `/healthz` and `/readyz`; `None` for other paths.
pub(crate) fn respond(uri: &Uri, store: &Store) -> Option<Response<Full<Bytes>>> {
    match uri.path() {
        "/healthz" => Some(json(StatusCode::OK, Bytes::from_static(b"{\"status\":\"alive\"}"))),
        "/readyz" => Some(ready(uri.query(), store)),
        _ => None,
    }
}

fn ready(query: Option<&str>, store: &Store) -> Response<Full<Bytes>> {
    let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("profile="));
    let name = asked.map(|name| percent_encoding::percent_decode_str(name).decode_utf8_lossy());
    let (status, body) = match store.readiness(name.as_deref()) {
        None => (StatusCode::NOT_FOUND, serde_json::json!({ "status": "no such profile" })),
        Some(Readiness { without_credentials: waiting, .. }) if !waiting.is_empty() => {
            (StatusCode::SERVICE_UNAVAILABLE, serde_json::json!({ "status": "not ready", "profiles": waiting }))
        }
        Some(Readiness { unwritten, .. }) if !unwritten.is_empty() => (
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({ "status": "not ready: the files are not yet written", "profiles": unwritten }),
        ),
        Some(_) => (StatusCode::OK, serde_json::json!({ "status": "ready" })),
    };
    json(status, body.to_string().into())
}
