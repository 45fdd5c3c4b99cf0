//! Tests the connection to STS for `credvend check`: name resolution, TCP connection and TLS handshake. Sends no
//! request.
//!
//! STS calls use reqwest, whose errors do not name the failed step. For an endpoint behind a proxy, only the connection
//! to the proxy is tested. The proxy is selected with the same code that reqwest uses.

use std::{fmt, net::SocketAddr, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::{Endpoint, Proxies};
use crate::http::{
    resolver::{self, LookupError},
    tls::TlsFailure,
};

/// A successful connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Host and port of the endpoint or its proxy.
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    pub(crate) is_proxy: bool,
    /// The TLS version; `None` for a proxy or a plain HTTP endpoint.
    pub(crate) tls: Option<&'static str>,
}

/// The step of a connection that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachStep {
    /// The URL of the endpoint or of the proxy is invalid.
    Url,
    /// The host name does not resolve.
    Name,
    /// No address of the host accepts a connection.
    Connection,
    /// The TLS handshake failed, for example because the certificate is not trusted.
    Tls,
}

/// Why the connection failed.
#[derive(Debug)]
pub(crate) struct NotReached {
    pub(crate) step: ReachStep,
    /// The host, and the port if the host name resolved.
    pub(crate) host: String,
    reason: String,
    /// What to do, if the reason tells it.
    pub(crate) help: Option<&'static str>,
}

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, host, reason, .. } = self;
        match step {
            ReachStep::Url => write!(f, "{host}: {reason}"),
            ReachStep::Name => write!(f, "the name {host} does not resolve: {reason}"),
            ReachStep::Connection => write!(f, "no connection to {host}: {reason}"),
            ReachStep::Tls => write!(f, "no TLS with {host}: {reason}"),
        }
    }
}

/// Resolves the host name, connects, and performs a TLS handshake if the endpoint uses `https` without a proxy.
///
/// # Errors
/// Returns the step that failed.
pub(crate) async fn reach(
    endpoint: &Endpoint,
    proxies: &Proxies,
    tls: Arc<rustls::ClientConfig>,
) -> Result<Reached, NotReached> {
    let url: http::Uri = endpoint.url.parse().map_err(|_| not_reached(ReachStep::Url, "STS", "its URL is invalid"))?;
    let proxy = proxies.matcher().intercept(&url);
    let is_proxy = proxy.is_some();
    let target = proxy.map_or_else(|| url.clone(), |proxy| proxy.uri().clone());
    let Some(name) = target.host().map(str::to_owned) else {
        return Err(not_reached(ReachStep::Url, "STS", "its URL has no host"));
    };
    let is_https = target.scheme_str() == Some("https");
    let port = target.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let host = format!("{name}:{port}");

    let host_name = name.trim_matches(['[', ']']);
    let addresses = resolver::lookup(host_name)
        .await
        .map_err(|error| not_reached(ReachStep::Name, host_name, resolver_message(&error)))?;
    let mut last_error = not_reached(ReachStep::Name, host_name, "it has no addresses");
    for address in addresses {
        let address = SocketAddr::new(address, port);
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let tls = match is_https && !is_proxy {
                    true => Some(handshake(stream, host_name, tls).await.map_err(|TlsFailure { reason, help }| {
                        NotReached { help: Some(help), ..not_reached(ReachStep::Tls, &host, reason) }
                    })?),
                    false => None,
                };
                return Ok(Reached { host, address, is_proxy, tls });
            }
            Err(error) => {
                last_error = not_reached(ReachStep::Connection, &host, format!("{address}: {}", error.kind()))
            }
        }
    }
    Err(last_error)
}

async fn handshake(stream: TcpStream, name: &str, tls: Arc<rustls::ClientConfig>) -> Result<&'static str, TlsFailure> {
    let failure = |reason: String| TlsFailure { reason, help: "correct the host name in the URL of the endpoint" };
    let name = ServerName::try_from(name.to_owned());
    let name = name.map_err(|_| failure("its name is not valid in a certificate".into()))?;
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await;
    let stream =
        stream.map_err(|error| TlsFailure::find(&error).unwrap_or_else(|| failure(error.kind().to_string())))?;
    Ok(match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    })
}

/// Returns `Name or service not known` from `failed to lookup address information: Name or service not known`.
fn resolver_message(error: &LookupError) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

fn not_reached(step: ReachStep, host: &str, reason: impl Into<String>) -> NotReached {
    NotReached { step, host: host.to_owned(), reason: reason.into(), help: None }
}
