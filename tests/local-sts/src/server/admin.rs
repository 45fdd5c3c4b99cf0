//! Routes for running tests from outside the process. They are no part of STS, and answer loopback peers only.
//!
//! | Route | Body | |
//! |---|---|---|
//! | `POST /_local/faults` | a list of faults | appends them to the script |
//! | `DELETE /_local/faults` | | clears the script and releases hanging requests |
//! | `GET /_local/requests` | | the record |
//! | `POST /_local/token` | claims | mints a token |
//! | `PUT /_local/lifetime` | `{"seconds": 30}` or `{"seconds": null}` | how long credentials live |
//! | `PUT /_local/clock` | `{"shift_seconds": -600}` | moves the clock |
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
            done()
        }),
        (&Method::DELETE, "faults") => {
            server.clear_faults();
            Ok(done())
        }
        (&Method::GET, "requests") => Ok(json_response(&json!(server.log.all()))),
        (&Method::POST, "token") => {
            read(body, |claims: Claims| plain_response(StatusCode::OK, &server.sts.mint(&claims)))
        }
        (&Method::PUT, "lifetime") => read(body, |lifetime: Lifetime| {
            server.sts.set_lifetime(lifetime.seconds.map(Duration::from_secs));
            done()
        }),
        (&Method::PUT, "clock") => read(body, |clock: ClockShift| {
            server.sts.clock.shift(clock.shift_seconds);
            done()
        }),
        (&Method::PUT, "world") => read(body, |new: World| match server.sts.edit_world(|world| *world = new) {
            Ok(()) => done(),
            Err(error) => plain_response(StatusCode::BAD_REQUEST, &error.to_string()),
        }),
        _ => return plain_response(StatusCode::NOT_FOUND, "no such route"),
    };
    result.unwrap_or_else(|error| plain_response(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn read<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    act: impl FnOnce(T) -> Response<Body>,
) -> Result<Response<Body>, serde_json::Error> {
    serde_json::from_slice(body).map(act)
}

fn done() -> Response<Body> {
    plain_response(StatusCode::NO_CONTENT, "")
}

impl Server {
    pub(crate) fn inject(&self, faults: Vec<Fault>) {
        lock(&self.faults).append(faults);
    }

    pub(crate) fn clear_faults(&self) {
        lock(&self.faults).clear();
        self.release.send_replace(());
    }
}
