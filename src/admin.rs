//! What answers on `--admin-listen`: probes from outside the pod. It never sees credentials, so it may face the network.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming};

use crate::{
    health,
    server::{Handler, json},
    store::Store,
};

/// The admin endpoint.
pub struct Admin {
    store: Arc<Store>,
}

impl Admin {
    /// An admin endpoint that reports on `store`.
    pub fn new(store: Arc<Store>) -> Arc<Self> {
        Arc::new(Self { store })
    }
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _local: SocketAddr) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return json(
                StatusCode::METHOD_NOT_ALLOWED,
                Bytes::from_static(b"{\"status\":\"GET is the only method\"}"),
            );
        }
        health::respond(request.uri(), &self.store)
            .unwrap_or_else(|| json(StatusCode::NOT_FOUND, Bytes::from_static(b"{\"status\":\"no such path\"}")))
    }
}
