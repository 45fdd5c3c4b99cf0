//! Liveness and readiness probes. `/healthz` always succeeds. `/readyz` succeeds once every profile holds valid
//! credentials and has been written to the credentials file; `?profile=NAME` selects one profile.
//!
//! Probes need no authorization token. If one is configured, a response to a caller without it names no profile and does not
//! show which profiles exist: a profile that does not exist is not ready.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::{
    http::{authorization::Caller, server::json},
    store::{Readiness, Store},
};

const NOT_READY: &str = "not ready";

/// Returns the response for `/healthz` and `/readyz`, or `None` for other paths.
pub(crate) fn respond(
    path: &str,
    query: Option<&str>,
    store: &Store,
    caller: &Caller<'_>,
) -> Option<Response<Full<Bytes>>> {
    match path {
        "/healthz" => Some(json(StatusCode::OK, Bytes::from_static(b"{\"status\":\"alive\"}"))),
        "/readyz" => Some(ready(query, store, caller)),
        _ => None,
    }
}

fn ready(query: Option<&str>, store: &Store, caller: &Caller<'_>) -> Response<Full<Bytes>> {
    let encoded = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("profile="));
    let name = encoded.map(|name| percent_encoding::percent_decode_str(name).decode_utf8_lossy());
    let not_ready = |reason: &str, mut profiles: Vec<String>| {
        profiles.retain(|name| caller.may_use(Some(name)));
        let body = match profiles.as_slice() {
            [] => serde_json::json!({ "status": NOT_READY }),
            profiles => serde_json::json!({ "status": reason, "profiles": profiles }),
        };
        (StatusCode::SERVICE_UNAVAILABLE, body)
    };
    let (status, body) = match store.readiness(name.as_deref()) {
        None if caller.may_use(None) => (StatusCode::NOT_FOUND, serde_json::json!({ "status": "no such profile" })),
        None => not_ready(NOT_READY, Vec::new()),
        Some(Readiness { without_credentials, .. }) if !without_credentials.is_empty() => {
            not_ready(NOT_READY, without_credentials)
        }
        Some(Readiness { unwritten, .. }) if !unwritten.is_empty() => {
            not_ready("not ready: the credentials file is not written yet", unwritten)
        }
        Some(_) => (StatusCode::OK, serde_json::json!({ "status": "ready" })),
    };
    json(status, body.to_string().into())
}
