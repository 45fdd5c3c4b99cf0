//! Handles requests to the container credentials endpoint from memory.
//!
//! A request passes the guards and the authorization, then gets the rendered document of its profile. No request waits for STS,
//! with one exception: before the first exchange has finished it waits up to 0.8 s, because some SDKs give up after one second and
//! continue without credentials.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};

use crate::{
    clock::{Clock, Moment},
    http::{
        authorization::{Authorization, Caller},
        guards::{self, BoundAddress},
        rejection::{Rejection, reject},
        request_path::collapse_slashes,
        server::{Handler, json},
    },
    observe::{
        health,
        metrics::Metrics,
        status::{self, STATUS_PATH},
    },
    sink::endpoint::{CREDENTIALS_PATH, documents::document},
    store::{Profile, Store},
};

/// Maximum time that a request waits for the first credentials. It is below the timeout of 1 s in botocore and other SDKs.
const FIRST_CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(800);

/// Handles the requests on one listener.
pub(crate) struct CredentialsEndpoint {
    store: Arc<Store>,
    authorization: Arc<Authorization>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    bound: BoundAddress,
}

impl CredentialsEndpoint {
    /// Creates the handler of a listener that is bound to `bound`.
    pub(crate) fn new(
        store: &Arc<Store>,
        authorization: &Arc<Authorization>,
        metrics: &Arc<Metrics>,
        clock: &Arc<dyn Clock>,
        bound: SocketAddr,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            authorization: Arc::clone(authorization),
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            bound: bound.into(),
        })
    }

    async fn respond(
        &self,
        request: &Request<Incoming>,
        local: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        guards::check(request, &self.bound, local)?;
        let path = collapse_slashes(request.uri().path());
        let now = self.clock.now();
        let caller = Caller::in_pod(&self.authorization, request.headers(), now);
        if let Some(response) = health::respond(&path, request.uri().query(), &self.store, &caller) {
            return Ok(response);
        }
        if path == STATUS_PATH {
            return status::respond(&self.store, &caller);
        }
        let Some(rest) = path.strip_prefix(CREDENTIALS_PATH) else {
            return Err(Rejection::new(StatusCode::NOT_FOUND, "no such path; credentials are at /v1/credentials"));
        };
        let profiles = self.store.profiles();
        let profile = match rest.strip_prefix('/') {
            None if rest.is_empty() => profiles.first().cloned(),
            None => None,
            Some(name) => {
                let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
                profiles.iter().find(|profile| profile.name() == name).cloned()
            }
        };
        // Authorize before looking the profile up, so that unauthorized callers cannot enumerate profiles.
        if !caller.may_use(profile.as_deref().map(Profile::name)) {
            return Err(Rejection::unauthorized());
        }
        let profile = profile.ok_or_else(|| Rejection::new(StatusCode::NOT_FOUND, "unknown profile"))?;
        self.credentials(&profile, now).await
    }

    async fn credentials(&self, profile: &Profile, now: Moment) -> Result<Response<Full<Bytes>>, Rejection> {
        let lease = match profile.servable(now) {
            None => profile.servable_soon(&*self.clock, FIRST_CREDENTIALS_TIMEOUT).await,
            lease => lease,
        };
        let Some(lease) = lease else {
            profile.request_refresh();
            return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, profile.unavailable_message()));
        };
        Ok(json(StatusCode::OK, document(&lease.credentials)))
    }
}

impl Handler for CredentialsEndpoint {
    const LISTENER: &'static str = "credentials";

    async fn handle(&self, request: Request<Incoming>, local: SocketAddr) -> Response<Full<Bytes>> {
        let response = match self.respond(&request, local).await {
            Ok(response) => response,
            Err(rejection) => {
                rejection.log("credentials endpoint", request.headers(), request.uri().path());
                reject(&rejection)
            }
        };
        self.metrics.record_response(response.status().as_u16());
        response
    }
}
