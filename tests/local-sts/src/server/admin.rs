//! The control routes, for tests in other processes. They are not part of STS and accept only loopback peers.
//!
//! | Route | Body | Effect |
//! |---|---|---|
//! | `POST /_local/faults` | a list of faults | appends the faults to the queue |
//! | `DELETE /_local/faults` | | clears the queue and responds to hanging requests |
//! | `GET /_local/requests` | | returns all requests so far |
//! | `GET /_local/secrets` | | returns every secret key, session token and minted token so far, in the order of issue |
//! | `POST /_local/token` | claims | mints a token |
//! | `PUT /_local/lifetime` | `{"seconds": 30}` or `{"seconds": null}` | sets the lifetime of credentials |
//! | `PUT /_local/rate-limit` | `{"calls_per_second": 20, "burst": 20}` or `null` | limits the calls |
//! | `PUT /_local/clock` | `{"shift_seconds": -600}` | sets the clock |
//! | `PUT /_local/world` | a world | replaces the accounts |

use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::Server;
use super::response::{Body, json_response, plain_response};
use crate::fault::Fault;
use crate::lock::lock;
use crate::rate_limit::{RateLimit, TokenBucket};
use crate::token::Claims;
use crate::world::World;

pub(super) const PREFIX: &str = "/_local/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockShift {
    shift_seconds: i64,
}

pub(super) fn route(server: &Server, parts: &Parts, body: &[u8]) -> Response<Body> {
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let result = match (&parts.method, path) {
        (&Method::POST, "faults") => read(body, |faults: Vec<Fault>| {
            server.inject(faults);
            no_content()
        }),
        (&Method::DELETE, "faults") => {
            server.clear_faults();
            Ok(no_content())
        }
        (&Method::GET, "requests") => Ok(json_response(&json!(server.log.all()))),
        (&Method::GET, "secrets") => Ok(json_response(&json!(server.sts.issued_secrets()))),
        (&Method::POST, "token") => {
            read(body, |claims: Claims| plain_response(StatusCode::OK, &server.sts.mint(&claims)))
        }
        (&Method::PUT, "lifetime") => read(body, |lifetime: Lifetime| {
            server.sts.set_lifetime(lifetime.seconds.map(Duration::from_secs));
            no_content()
        }),
        (&Method::PUT, "rate-limit") => read(body, |limit: Option<RateLimit>| {
            server.set_rate_limit(limit);
            no_content()
        }),
        (&Method::PUT, "clock") => read(body, |clock: ClockShift| {
            server.sts.clock.set_shift(clock.shift_seconds);
            no_content()
        }),
        (&Method::PUT, "world") => read(body, |new: World| match server.sts.edit_world(|world| *world = new) {
            Ok(()) => no_content(),
            Err(error) => plain_response(StatusCode::BAD_REQUEST, &error.to_string()),
        }),
        _ => return plain_response(StatusCode::NOT_FOUND, "no such route"),
    };
    result.unwrap_or_else(|error| plain_response(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn read<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    handle: impl FnOnce(T) -> Response<Body>,
) -> Result<Response<Body>, serde_json::Error> {
    serde_json::from_slice(body).map(handle)
}

fn no_content() -> Response<Body> {
    plain_response(StatusCode::NO_CONTENT, "")
}

impl Server {
    pub(crate) fn inject(&self, faults: Vec<Fault>) {
        lock(&self.faults).append(faults);
    }

    pub(crate) fn set_rate_limit(&self, limit: Option<RateLimit>) {
        *lock(&self.rate_limit) = limit.map(TokenBucket::new);
    }

    pub(crate) fn clear_faults(&self) {
        lock(&self.faults).clear();
        self.faults_cleared.send_replace(());
    }
}
