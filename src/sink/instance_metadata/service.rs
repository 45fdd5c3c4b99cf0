//! Handles requests to the instance metadata service from memory.
//!
//! Serves the part of EC2's tree that credentials and region need: a session token by PUT, the role's name, its credentials and
//! the region. Requests without a session token (version 1) and forwarded requests are refused.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    arn::RoleArn,
    clock::{Clock, Moment},
    credentials::{Credentials, Expiry},
    http::{
        guards::{self, BoundAddress},
        rejection::{Rejection, reject},
        request_path::collapse_slashes,
        server::{Handler, json},
    },
    observe::metrics::Metrics,
    sink::{
        credentials_json::{CredentialsJson, render},
        instance_metadata::session::SessionKey,
    },
    store::{Profile, ProfileState, Store},
};

const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// EC2's longest session: six hours.
const MAX_SESSION_SECONDS: u32 = 21_600;

/// Maximum time that a request waits for the first credentials. The SDK for Go waits no longer for a response.
const FIRST_CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(400);

/// Handles the requests on the listener.
pub(crate) struct InstanceMetadataService {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    bound: BoundAddress,
    sessions: SessionKey,
}

/// The document of a role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    code: &'static str,
    #[serde(rename = "Type")]
    kind: &'static str,
    last_updated: String,
    #[serde(flatten)]
    credentials: CredentialsJson<'a>,
}

impl InstanceMetadataService {
    /// Creates the handler of a listener that is bound to `bound`. It serves the first profile in `store`.
    pub(crate) fn new(
        store: &Arc<Store>,
        metrics: &Arc<Metrics>,
        clock: &Arc<dyn Clock>,
        bound: SocketAddr,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            bound: bound.into(),
            sessions: SessionKey::generate(),
        })
    }

    async fn respond(
        &self,
        request: &Request<Incoming>,
        local: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, Rejection> {
        guards::check_origin(request, &self.bound, local)?;
        let path = &*collapse_slashes(request.uri().path());
        if path == "/latest/api/token" {
            return self.session(request);
        }
        if request.method() != Method::GET {
            return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "GET is the only method here"));
        }
        if !self.holds_session(request) {
            let message = "a session token of PUT /latest/api/token is needed: version 1 is not served";
            return Err(Rejection::new(StatusCode::UNAUTHORIZED, message));
        }
        let not_found = || Rejection::new(StatusCode::NOT_FOUND, "no such metadata here");
        let profiles = self.store.profiles();
        let profile = profiles.first().ok_or_else(not_found)?;
        let region = || profile.region().map(|region| region.as_str().to_owned()).ok_or_else(not_found);
        let state = profile.state();
        let name = role_name(profile, &state);
        match path {
            "/latest/meta-data/iam/security-credentials" => Ok(text(name.to_owned())),
            "/latest/meta-data/placement/region" => Ok(text(region()?)),
            // SDKs derive the region from the zone by removing its last letter.
            "/latest/meta-data/placement/availability-zone" => Ok(text(format!("{}a", region()?))),
            "/latest/dynamic/instance-identity/document" => {
                Ok(json(StatusCode::OK, serde_json::json!({ "region": region()? }).to_string().into()))
            }
            path if path.strip_prefix("/latest/meta-data/iam/security-credentials/") == Some(name) => {
                self.credentials(profile).await
            }
            _ => Err(not_found()),
        }
    }

    fn session(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Rejection> {
        if request.method() != Method::PUT {
            return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "PUT is the only method here"));
        }
        let seconds = request.headers().get(TOKEN_TTL).and_then(|value| value.to_str().ok()?.parse().ok());
        let Some(seconds @ 1..=MAX_SESSION_SECONDS) = seconds else {
            let message = "X-aws-ec2-metadata-token-ttl-seconds must be 1 to 21600";
            return Err(Rejection::new(StatusCode::BAD_REQUEST, message));
        };
        let token = self.sessions.start(self.clock.now(), seconds);
        let mut response = text(Bytes::from_owner(Zeroizing::new(token.expose_secret().to_owned())));
        response.headers_mut().insert(TOKEN_TTL, HeaderValue::from(seconds));
        Ok(response)
    }

    fn holds_session(&self, request: &Request<Incoming>) -> bool {
        let offered = request.headers().get(TOKEN);
        offered.is_some_and(|offered| self.sessions.accepts(offered.as_bytes(), self.clock.now()))
    }

    async fn credentials(&self, profile: &Profile) -> Result<Response<Full<Bytes>>, Rejection> {
        let Some(lease) = profile.servable_soon(&*self.clock, FIRST_CREDENTIALS_TIMEOUT).await else {
            profile.request_refresh();
            return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, profile.unavailable_message()));
        };
        Ok(json(StatusCode::OK, document(&lease.credentials, self.clock.now())))
    }
}

impl Handler for InstanceMetadataService {
    const LISTENER: &'static str = "instance_metadata";

    async fn handle(&self, request: Request<Incoming>, local: SocketAddr) -> Response<Full<Bytes>> {
        let response = self.respond(&request, local).await.unwrap_or_else(|rejection| {
            rejection.log("instance metadata service", request.headers(), request.uri().path());
            reject(&rejection)
        });
        self.metrics.record_response(response.status().as_u16());
        response
    }
}

/// Returns the name of the role whose credentials are served, as EC2 does, or the profile's name if there is no role.
fn role_name<'a>(profile: &'a Profile, state: &'a ProfileState) -> &'a str {
    state.role_arn(profile.role_arn()).map_or(profile.name(), RoleArn::name)
}

fn document(credentials: &Credentials, now: Moment) -> Bytes {
    let wire = Wire {
        code: "Success",
        kind: "AWS-HMAC",
        last_updated: Expiry::from(now.wall).to_string(),
        credentials: credentials.into(),
    };
    Bytes::from_owner(render(credentials, &wire))
}

fn text(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::OK, body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_the_account_of_credentials_without_a_role() {
        let credentials =
            Credentials::of_source("ASIA".into(), "s".into(), Some("t".into()), None, Some("111111111111".into()));
        let now = crate::clock::SystemClock::new().now();
        let document: serde_json::Value = serde_json::from_slice(&document(&credentials, now)).expect("a document");
        assert_eq!(document["AccountId"], "111111111111");
    }
}
