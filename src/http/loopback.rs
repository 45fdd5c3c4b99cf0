//! A small HTTP client for asking a running `credvend run` on the same machine: no TLS, no proxy, no pool.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Larger than any answer of ours.
const MAX_BODY_SIZE: usize = 64 * 1024;

/// A bound address as one can connect to it from the same machine.
pub(crate) fn reachable(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound
}

/// Asks for a path, with an authorization token where there is one; gives status and body.
///
/// # Errors
/// Why there was no answer.
pub(crate) async fn get(
    address: SocketAddr,
    path: &str,
    authorization: Option<&str>,
) -> Result<(StatusCode, Bytes), String> {
    get_from(address, address, path, authorization).await
}

/// Asks for a path as [`get`] does, calling the endpoint by the name `host`.
///
/// # Errors
/// Why there was no answer.
pub(crate) async fn get_from(
    address: SocketAddr,
    host: impl Display,
    path: &str,
    authorization: Option<&str>,
) -> Result<(StatusCode, Bytes), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.kind().to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // Ends with the sender.
    tokio::spawn(connection);
    let mut request = Request::get(path).header(header::HOST, host.to_string());
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
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
