//! An HTTP client for requests to a running `credvend run` on the same machine, without TLS, proxies and connection
//! pool.

use std::{
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::http::client::secret_header;

/// Maximum size of a response body, in bytes.
const MAX_BODY_SIZE: usize = 64 * 1024;

/// Returns an address to connect to from the same machine: 127.0.0.1 if `bound` is unspecified, because `::` includes the
/// addresses of IPv4.
pub(crate) fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    bound
}

/// Requests a path, with an authorization token if given. Returns the status and the body.
///
/// # Errors
/// Returns a description if there is no complete response.
pub(crate) async fn get(
    address: SocketAddr,
    path: &str,
    authorization: Option<&str>,
) -> Result<(StatusCode, Bytes), String> {
    get_from(address, address, path, authorization).await
}

/// Requests a path as [`get`] does, with `host` as the Host header.
///
/// # Errors
/// Returns a description if there is no complete response.
pub(crate) async fn get_from(
    address: SocketAddr,
    host: impl Display,
    path: &str,
    authorization: Option<&str>,
) -> Result<(StatusCode, Bytes), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.kind().to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // The task ends when `sender` is dropped.
    tokio::spawn(connection);
    let mut request = Request::get(path).header(header::HOST, host.to_string());
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, secret_header(authorization).map_err(text)?);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(text)?;
    let response = sender.send_request(request).await.map_err(text)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY_SIZE).collect().await.map_err(text)?;
    Ok((status, body.to_bytes()))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
