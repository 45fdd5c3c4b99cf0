//! HTTP: the accept loop, the routes, and the answers as bytes.

mod admin;
mod faulty;
mod response;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
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

use self::response::{Body, PlainAnswer, json_response};
use crate::error::StsError;
use crate::fault::{FaultKind, FaultScript};
use crate::lock::lock;
use crate::parameters::Parameters;
use crate::record::{RecordedRequest, RequestLog};
use crate::signature::SignedContent;
use crate::sts::Sts;
use crate::{clock, random};

const LONGEST_BODY: usize = 1 << 20;
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";
const KEYS_PATH: &str = "/openid/v1/jwks";

/// What all connections share.
pub(crate) struct Server {
    pub(crate) sts: Sts,
    pub(crate) log: RequestLog,
    pub(crate) faults: Mutex<FaultScript>,
    /// Sent to when the faults are cleared.
    pub(crate) release: watch::Sender<()>,
}

/// Serves until the runtime is gone.
pub(crate) async fn run(server: Arc<Server>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(serve_connection(Arc::clone(&server), stream, peer, tls.clone()));
            }
            // Out of file descriptors, most likely: some will come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Errors end the connection; the client knows more of them than this side.
async fn serve_connection(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
    let Ok(()) = stream.set_nodelay(true) else { return };
    // A second handle on the socket, for the fault which resets it.
    let Ok(socket) = SockRef::from(&stream).try_clone() else { return };
    let connection = Connection { server, peer, socket };
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
            (&Method::GET, KEYS_PATH) => Ok(json_response(&server.sts.key().key_set())),
            (_, path) if path.starts_with(admin::PREFIX) && self.peer.ip().is_loopback() => {
                Ok(admin::route(server, &parts, &read(body).await?))
            }
            _ => self.ask_sts(&parts, &read(body).await?).await,
        };
        response.map(|mut response| {
            let date = clock::http_date(server.sts.clock.now());
            if let Ok(date) = date.parse() {
                response.headers_mut().insert(DATE, date);
            }
            response
        })
    }

    async fn ask_sts(&self, parts: &Parts, body: &[u8]) -> io::Result<Response<Body>> {
        let server = &self.server;
        let parameters = Parameters::decode(body);
        let mut record = server.describe(parts, parameters.as_ref().ok());
        // Before the fault is taken, so that clearing the faults at this very moment is not missed.
        let mut released = server.release.subscribe();
        let fault = lock(&server.faults).take(record.action.as_deref());
        record.fault.clone_from(&fault);
        let request_id = record.request_id.clone();
        let answer = |fault: Option<&FaultKind>| server.answer(parts, body, &parameters, fault, &request_id);
        match fault {
            Some(FaultKind::Reset) => {
                server.log.add(record);
                self.socket.set_linger(Some(Duration::ZERO))?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(FaultKind::Hang) => {
                let number = server.log.add(record);
                let _ = released.changed().await;
                let plain = answer(None);
                server.log.settle(number, plain.status, plain.code.clone());
                Ok(plain.into_response(&request_id))
            }
            fault => {
                let plain = answer(fault.as_ref());
                record.status = Some(plain.status);
                record.code.clone_from(&plain.code);
                server.log.add(record);
                match fault {
                    Some(fault) => Ok(faulty::respond(plain, &fault, &request_id).await),
                    None => Ok(plain.into_response(&request_id)),
                }
            }
        }
    }
}

impl Server {
    /// The answer's bytes, with the faults that change only these.
    fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        parameters: &Result<Parameters, StsError>,
        fault: Option<&FaultKind>,
        request_id: &str,
    ) -> PlainAnswer {
        let result = match fault.and_then(faulty::as_error) {
            Some(error) => Err(error),
            None => check_envelope(parts).and_then(|()| {
                let content = SignedContent { method: parts.method.as_str(), headers: &parts.headers, body };
                self.sts.answer(content, parameters.as_ref().map_err(Clone::clone)?)
            }),
        };
        match result {
            Ok(mut answer) => {
                faulty::tamper(&mut answer, fault, self.sts.clock.now());
                PlainAnswer { status: 200, code: None, xml: answer.to_xml(request_id) }
            }
            Err(error) => PlainAnswer { status: error.status, xml: error.to_xml(request_id), code: Some(error.code) },
        }
    }

    fn describe(&self, parts: &Parts, parameters: Option<&Parameters>) -> RecordedRequest {
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

/// What is wrong with a request before its parameters are looked at.
fn check_envelope(parts: &Parts) -> Result<(), StsError> {
    if parts.uri.path() != "/" {
        return Err(StsError::new("UnknownOperationException", 404, "STS is served at /"));
    }
    // AWS takes parameters from the query, too. Nobody should send a token there, where proxies log it.
    if parts.uri.query().is_some() {
        return Err(StsError::new("MalformedQueryString", 400, "Parameters belong into the body, not into the URL"));
    }
    if parts.method != Method::POST {
        return Err(StsError::new("UnknownOperationException", 404, "STS is asked by POST"));
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
    let collected = Limited::new(body, LONGEST_BODY).collect().await.map_err(io::Error::other)?;
    Ok(collected.to_bytes())
}

fn headers_by_name(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        by_name
            .entry(name.to_string())
            .and_modify(|present| {
                present.push(',');
                present.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    by_name
}
