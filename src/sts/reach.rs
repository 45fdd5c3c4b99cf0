//! Reaching STS step by step, for people: name, connection, TLS. Nothing is asked of it.
//!
//! Calls go through reqwest, which says only that it failed. Where a proxy stands before an endpoint, reaching the proxy is
//! all that can be seen from here. Proxies are matched by the code that reqwest matches them with.

use std::{fmt, net::SocketAddr, sync::Arc};

use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::{Endpoint, Proxies};

/// How far it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Host and port that were connected to.
    pub(crate) host: String,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whether it is a proxy.
    pub(crate) is_proxy: bool,
    /// The TLS version, where it came to TLS.
    pub(crate) tls: Option<&'static str>,
}

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachStep {
    /// The endpoint's URL, or the proxy's, is none.
    Url,
    /// Its name does not resolve.
    Name,
    /// Nobody answers at its addresses.
    Connection,
    /// Its certificate is not trusted, or there is no TLS.
    Tls,
}

/// Why it was not reached.
#[derive(Debug)]
pub(crate) struct NotReached {
    /// The step that failed.
    pub(crate) step: ReachStep,
    /// Host, and where it came to one the port, that was tried.
    pub(crate) host: String,
    why: String,
}

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, host, why } = self;
        match step {
            ReachStep::Url => write!(f, "{host}: {why}"),
            ReachStep::Name => write!(f, "the name {host} does not resolve: {why}"),
            ReachStep::Connection => write!(f, "no connection to {host}: {why}"),
            ReachStep::Tls => write!(f, "no TLS with {host}: {why}"),
        }
    }
}

/// Resolves, connects, and where the endpoint is `https` and no proxy's, shakes hands.
///
/// # Errors
/// The step that failed.
pub(crate) async fn reach(
    endpoint: &Endpoint,
    proxies: &Proxies,
    tls: Arc<rustls::ClientConfig>,
) -> Result<Reached, NotReached> {
    let url: http::Uri = endpoint.url.parse().map_err(|_| not_reached(ReachStep::Url, "STS", "its URL is none"))?;
    let proxy = matcher(proxies).intercept(&url);
    let is_proxy = proxy.is_some();
    let target = proxy.map_or_else(|| url.clone(), |proxy| proxy.uri().clone());
    let Some(name) = target.host().map(str::to_owned) else {
        return Err(not_reached(ReachStep::Url, "STS", "its URL names no host"));
    };
    let is_https = target.scheme_str() == Some("https");
    let port = target.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let host = format!("{name}:{port}");

    let bare = name.trim_matches(['[', ']']);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((bare, port))
        .await
        .map_err(|error| not_reached(ReachStep::Name, bare, resolver_says(&error)))?
        .collect();
    let mut last = not_reached(ReachStep::Name, bare, "it has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let tls = match is_https && !is_proxy {
                    true => Some(
                        shake_hands(stream, bare, tls).await.map_err(|why| not_reached(ReachStep::Tls, &host, why))?,
                    ),
                    false => None,
                };
                return Ok(Reached { host, address, is_proxy, tls });
            }
            Err(error) => last = not_reached(ReachStep::Connection, &host, format!("{address}: {}", error.kind())),
        }
    }
    Err(last)
}

async fn shake_hands(stream: TcpStream, name: &str, tls: Arc<rustls::ClientConfig>) -> Result<&'static str, String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| "its name is none that a certificate can hold")?;
    let stream =
        tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.map_err(|error| error.to_string())?;
    Ok(match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    })
}

fn matcher(proxies: &Proxies) -> Matcher {
    let text = |url: &Option<String>| url.clone().unwrap_or_default();
    Matcher::builder().https(text(&proxies.https)).http(text(&proxies.http)).no(text(&proxies.no_proxy)).build()
}

/// `failed to lookup address information: Name or service not known`, without the first half.
fn resolver_says(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or_default().to_owned()
}

fn not_reached(step: ReachStep, host: &str, why: impl Into<String>) -> NotReached {
    NotReached { step, host: host.to_owned(), why: why.into() }
}
