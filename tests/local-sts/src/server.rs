//! The HTTP server: the accept loop, the routes and the responses.

mod admin;
mod fault_effects;
mod response;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::response::{Body, RenderedResponse, insert_date, json_response};
use crate::error::StsError;
use crate::fault::{FaultKind, FaultQueue};
use crate::lock::lock;
use crate::parameters::Parameters;
use crate::random;
use crate::rate_limit::TokenBucket;
use crate::request_log::{RecordedRequest, RequestLog};
use crate::signature::SignedContent;
use crate::sts::Sts;

const MAX_BODY: usize = 1 << 20;
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
const KEYS_PATH: &str = "/openid/v1/jwks";

/// The state that all connections share.
pub(crate) struct Server {
    /// The accounts and sessions, which the servers of several regions share.
    pub(crate) sts: Arc<Sts>,
    /// The only region that credential scopes can have here, if the world does not tell.
    pub(crate) signing_region: Option<String>,
    pub(crate) log: RequestLog,
    pub(crate) faults: Mutex<FaultQueue>,
    /// The limit on calls, if there is one.
    pub(crate) rate_limit: Mutex<Option<TokenBucket>>,
    /// Notifies hanging requests when the faults are cleared.
    pub(crate) faults_cleared: watch::Sender<()>,
}

/// Accepts connections until the runtime is dropped.
pub(crate) async fn run(server: Arc<Server>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(serve_connection(Arc::clone(&server), stream, peer, tls.clone()));
            }
            // The process has most likely run out of file descriptors; wait until some are free.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves a connection until it ends. Connection errors are not reported: the client reports them.
async fn serve_connection(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
    let Ok(()) = stream.set_nodelay(true) else { return };
    // The reset fault needs a second handle to the socket.
    let Ok(socket) = SockRef::from(&stream).try_clone() else { return };
    let connection = Connection { server, peer, socket, is_kept: AtomicBool::new(false) };
    match tls {
        None => connection.serve(stream).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                connection.serve(stream).await;
            }
        }
    }
}

struct Connection {
    server: Arc<Server>,
    peer: SocketAddr,
    socket: Socket,
    /// True after the first request.
    is_kept: AtomicBool,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let service = service_fn(|request| self.route(request));
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn route(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let server = &self.server;
        let (parts, body) = request.into_parts();
        let response = match (&parts.method, parts.uri.path()) {
            (&Method::GET, DISCOVERY_PATH) => Ok(json_response(&server.discovery_document())),
            (&Method::GET, KEYS_PATH) => Ok(json_response(&server.sts.key_set())),
            (_, path) if path.starts_with(admin::PREFIX) && self.peer.ip().is_loopback() => {
                Ok(admin::route(server, &parts, &read(body).await?))
            }
            _ => self.handle_sts_request(&parts, &read(body).await?).await,
        };
        response.map(|mut response| {
            // A fault may have set another date.
            if !response.headers().contains_key(DATE) {
                insert_date(&mut response, server.sts.clock.now());
            }
            response
        })
    }

    async fn handle_sts_request(&self, parts: &Parts, body: &[u8]) -> io::Result<Response<Body>> {
        let server = &self.server;
        let parameters = Parameters::decode(body);
        let mut record = server.new_record(parts, parameters.as_ref().ok());
        // Subscribe before the fault is taken, so that a concurrent clearing of the faults is not missed.
        let mut faults_cleared = server.faults_cleared.subscribe();
        let is_kept = self.is_kept.swap(true, Ordering::Relaxed);
        let fault = lock(&server.faults).take(record.action.as_deref(), is_kept);
        let is_over_limit = || lock(&server.rate_limit).as_mut().is_some_and(|bucket| !bucket.take());
        let fault = fault.or_else(|| is_over_limit().then_some(FaultKind::Throttle));
        record.fault.clone_from(&fault);
        let request_id = record.request_id.clone();
        let respond = |fault: Option<&FaultKind>| server.respond(parts, body, &parameters, fault, &request_id);
        match fault {
            Some(FaultKind::Reset | FaultKind::CloseKeptConnection { reset: true }) => {
                server.log.add(record);
                self.socket.set_linger(Some(Duration::ZERO))?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(FaultKind::CloseKeptConnection { reset: false }) => {
                server.log.add(record);
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Some(FaultKind::Hang) => {
                let index = server.log.add(record);
                let _ = faults_cleared.changed().await;
                let rendered = respond(None);
                server.log.set_result(index, rendered.status, rendered.code.clone());
                Ok(rendered.into_http(&request_id))
            }
            fault => {
                let rendered = respond(fault.as_ref());
                record.status = Some(rendered.status);
                record.code.clone_from(&rendered.code);
                server.log.add(record);
                match fault {
                    Some(fault) => Ok(fault_effects::send(rendered, &fault, &request_id, server.sts.clock.now()).await),
                    None => Ok(rendered.into_http(&request_id)),
                }
            }
        }
    }
}

impl Server {
    /// Handles a request and renders its response, with the effects of faults that change only the content.
    fn respond(
        &self,
        parts: &Parts,
        body: &[u8],
        parameters: &Result<Parameters, StsError>,
        fault: Option<&FaultKind>,
        request_id: &str,
    ) -> RenderedResponse {
        let result = match fault.and_then(fault_effects::error_for) {
            Some(error) => Err(error),
            None => check_http_request(parts).and_then(|()| {
                let content = SignedContent { method: parts.method.as_str(), headers: &parts.headers, body };
                self.sts.handle(content, parameters.as_ref().map_err(Clone::clone)?, self.signing_region.as_deref())
            }),
        };
        match result {
            Ok(mut success) => {
                fault_effects::alter_success(&mut success, fault, self.sts.clock.now());
                RenderedResponse { status: 200, code: None, xml: success.to_xml(request_id) }
            }
            Err(error) => {
                RenderedResponse { status: error.status, xml: error.to_xml(request_id), code: Some(error.code) }
            }
        }
    }

    fn new_record(&self, parts: &Parts, parameters: Option<&Parameters>) -> RecordedRequest {
        let parameters = parameters.map(|parameters| parameters.fields().clone()).unwrap_or_default();
        RecordedRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: headers_by_name(&parts.headers),
            action: parameters.get("Action").cloned(),
            parameters,
            status: None,
            code: None,
            fault: None,
            request_id: random::uuid(),
            time: self.sts.clock.now(),
        }
    }

    /// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery>
    fn discovery_document(&self) -> serde_json::Value {
        let issuer = self.sts.issuer();
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{KEYS_PATH}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }
}

/// Checks the URL, method and content type, before the parameters.
fn check_http_request(parts: &Parts) -> Result<(), StsError> {
    if parts.uri.path() != "/" {
        return Err(StsError::new("UnknownOperationException", 404, "the path must be /"));
    }
    // AWS also accepts parameters in the query. Clients must not send a token there, because proxies log URLs.
    if parts.uri.query().is_some() {
        return Err(StsError::new("MalformedQueryString", 400, "send the parameters in the body, not in the URL"));
    }
    if parts.method != Method::POST {
        return Err(StsError::new("UnknownOperationException", 404, "the method must be POST"));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(StsError::new(
            "UnknownOperationException",
            404,
            format!("Content-Type {content_type:?} is not application/x-www-form-urlencoded"),
        ));
    }
    Ok(())
}

async fn read(body: Incoming) -> io::Result<Bytes> {
    let collected = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?;
    Ok(collected.to_bytes())
}

fn headers_by_name(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        by_name
            .entry(name.to_string())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    by_name
}
