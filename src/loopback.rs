//! A small HTTP client for asking a running `credvend run` on the same machine: no TLS, no proxy, no pool.

use std::{fmt::Display, net::SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Larger than any answer of ours.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Asks for a path; gives status and body.
///
/// # Errors
/// Why there was no answer.
pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    get_authorized(address, address, path, None).await
}

/// Asks for a path by the name of `host`, with an authorization token where one is given; gives status and body.
///
/// # Errors
/// Why there was no answer.
pub async fn get_authorized(
    address: SocketAddr,
    host: impl Display,
    path: &str,
    authorization_token: Option<HeaderValue>,
) -> Result<(StatusCode, Bytes), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.kind().to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // Ends with the sender.
    tokio::spawn(connection);
    let mut request =
        Request::get(path).header(header::HOST, host.to_string()).body(Empty::<Bytes>::new()).map_err(text)?;
    if let Some(token) = authorization_token {
        request.headers_mut().insert(header::AUTHORIZATION, token);
    }
    let response = sender.send_request(request).await.map_err(text)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(text)?;
    Ok((status, body.to_bytes()))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
