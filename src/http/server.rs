//! An HTTP/1.1 server on a bound listener, with limits and graceful shutdown.
//!
//! The limits are those of [`Connections`], `IDLE_TIMEOUT` to receive a request header and between two requests, and
//! `MAX_HEADER_SIZE`. On shutdown, the server stops accepting connections, closes idle connections and finishes the responses in
//! progress.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinSet, yield_now},
};

use crate::{
    clock::Clock,
    http::connections::{Connection, Connections},
};

/// Maximum time without a request being answered: to receive a request header, and between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a request header, in bytes, and of the buffers of a connection. An authorization token has up to 8 KiB.
const MAX_HEADER_SIZE: usize = 12 * 1024;
/// Maximum time for which sent data can stay unacknowledged by the client.
#[cfg(target_os = "linux")]
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time to finish responses in progress after the shutdown has started.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// A handler of requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The name of the listener in metrics.
    const LISTENER: &'static str;

    /// Returns the response to one request, which arrived on the address `local`.
    fn handle(
        &self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves connections to `listener` until `stopping` becomes true.
pub(crate) async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    connections: Arc<Connections>,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    let number = connections.add_listener(H::LISTENER);
    let mut tasks = JoinSet::new();
    let mut accepted = 0;
    loop {
        let result = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            Some(_) = tasks.join_next() => continue,
            result = listener.accept() => result,
        };
        match result {
            Ok((stream, _)) => {
                let connection = connections.add(number);
                tasks.spawn(handle_connection(stream, Arc::clone(&handler), connection, stopping.clone()));
                accepted += 1;
                if accepted % connections.batch() == 0 {
                    // A crowd of new connections does not delay the requests on those that are open.
                    yield_now().await;
                }
            }
            Err(error) if is_exhausted(&error) => connections.make_room().await,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connection");
                clock.sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while tasks.join_next().await.is_some() {} } => {}
        () = clock.sleep(SHUTDOWN_GRACE) => {}
    }
}

/// Returns true if the process or the system has no file descriptor or memory left for a connection.
fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| exhausted.contains(&error))
}

// The parameter `connection` is dropped after the socket, because the order of drops is the reverse order of declarations.
async fn handle_connection(
    stream: TcpStream,
    handler: Arc<impl Handler>,
    connection: Arc<Connection>,
    mut stopping: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Responses are small, so delaying them to fill packets has no benefit.
    let _ = stream.set_nodelay(true);
    // Without this timeout, a client that never reads its responses would hold a connection forever. The option exists
    // only on Linux, and not in every sandbox, so errors are ignored.
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, WRITE_TIMEOUT.as_millis() as u32);
    let service = service_fn(|request| {
        let (handler, answering) = (Arc::clone(&handler), connection.answer());
        async move {
            let response = handler.handle(request, local).await;
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // A timer of hyper would be set twice for each request. `idle_for` has the same effect.
    builder.header_read_timeout(None).max_buf_size(MAX_HEADER_SIZE);
    // Otherwise hyper looks for the end of the connection during each request: a system call, and a new buffer, because the old one
    // holds the request.
    builder.half_close(true);
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
    connection.begin();
    // Connection errors are ignored: they concern only the client. A request that has arrived is answered before the
    // connection closes, because `biased` polls the connection first.
    tokio::select! {
        biased;
        _ = http.as_mut() => return,
        () = connection.must_close() => return,
        () = connection.idle_for(IDLE_TIMEOUT) => return,
        _ = stopping.wait_for(|stopping| *stopping) => http.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ = http => {}
        () = connection.must_close() => {}
    }
}

/// The headers of every JSON response.
static JSON_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
});

/// Builds a JSON response that must not be cached.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    // Copying the headers is faster than inserting each.
    response.headers_mut().clone_from(&JSON_HEADERS);
    response
}
