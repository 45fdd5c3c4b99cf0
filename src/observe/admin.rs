//! What answers on `--admin-listen`: probes and state, for outside the pod. It never sees credentials, so it may face the network.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};

use crate::{
    http::{
        authorization::Authorization,
        rejection::{Rejection, reject},
        server::{Handler, json},
    },
    observe::{
        health,
        metrics::{self, Metrics},
        status::{self, STATUS_PATH},
    },
    store::Store,
};

/// The admin endpoint.
pub(crate) struct Admin {
    store: Arc<Store>,
    authorization: Arc<Authorization>,
    metrics: Arc<Metrics>,
}

impl Admin {
    /// An admin endpoint that reports on `store`; the state of its profiles only to who holds a token.
    pub(crate) fn new(store: Arc<Store>, authorization: Arc<Authorization>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { store, authorization, metrics })
    }

    fn respond(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Rejection> {
        if request.method() != Method::GET {
            return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "GET is the only method"));
        }
        match request.uri().path() {
            STATUS_PATH => return status::respond(request, &self.store, &self.authorization),
            "/metrics" => return Ok(self.metrics()),
            _ => {}
        }
        health::respond(request.uri(), &self.store)
            .ok_or_else(|| Rejection::new(StatusCode::NOT_FOUND, "no such path; credentials are never served here"))
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut response = json(StatusCode::OK, self.metrics.text(&self.store).into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
        response
    }
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _local: SocketAddr) -> Response<Full<Bytes>> {
        self.respond(&request).unwrap_or_else(|rejection| reject(&rejection))
    }
}
