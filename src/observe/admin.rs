//! The admin endpoint on `--admin-listen`: health probes, metrics and status. It never serves credentials, so it can be
//! reachable from outside the pod.

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
        authorization::{Authorization, Caller},
        connections::Connections,
        guards,
        rejection::{Rejection, reject},
        request_path::collapse_slashes,
        server::{Handler, json},
    },
    observe::{
        health,
        metrics::{Format, Metrics},
        status::{self, STATUS_PATH},
    },
    store::Store,
};

pub(crate) struct Admin {
    store: Arc<Store>,
    authorization: Arc<Authorization>,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
}

impl Admin {
    /// Returns an admin endpoint that reports on `store`. The status of a profile requires an authorization token.
    pub(crate) fn new(
        store: Arc<Store>,
        authorization: Arc<Authorization>,
        metrics: Arc<Metrics>,
        connections: Arc<Connections>,
    ) -> Arc<Self> {
        Arc::new(Self { store, authorization, metrics, connections })
    }

    async fn respond(
        &self,
        request: &Request<Incoming>,
        local: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        if request.method() != Method::GET {
            return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use GET"));
        }
        let caller = Caller::at(local, &self.authorization, request.headers(), self.store.now());
        let path = collapse_slashes(request.uri().path());
        match &*path {
            STATUS_PATH => {
                self.check_status_request(request, local)?;
                return status::respond(&self.store, &caller);
            }
            "/metrics" => return Ok(self.metrics(Format::accepted(request.headers())).await),
            _ => {}
        }
        health::respond(&path, request.uri().query(), &self.store, &caller).ok_or_else(|| {
            Rejection::new(StatusCode::NOT_FOUND, "no such path; this listener never serves credentials")
        })
    }

    /// Refuses requests for the status without a token from other machines and from web pages: the status contains role ARNs and
    /// errors.
    fn check_status_request(&self, request: &Request<Incoming>, local: SocketAddr) -> Result<(), Rejection> {
        if !self.authorization.is_open() {
            return Ok(());
        }
        if !local.ip().to_canonical().is_loopback() {
            let message = "the status is available on a loopback address, or with an authorization token";
            return Err(Rejection::new(StatusCode::FORBIDDEN, message));
        }
        guards::check_client(request)
    }

    async fn metrics(&self, format: Format) -> Response<Full<Bytes>> {
        let text = self.metrics.text(format, &self.store, &self.authorization, &self.connections).await;
        let mut response = json(StatusCode::OK, text.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        response
    }
}

impl Handler for Admin {
    const LISTENER: &'static str = "admin";

    async fn handle(&self, request: Request<Incoming>, local: SocketAddr) -> Response<Full<Bytes>> {
        self.respond(&request, local).await.unwrap_or_else(|rejection| {
            rejection.log("admin listener", request.headers(), request.uri().path());
            reject(&rejection)
        })
    }
}
