//! An HTTP/1.1 server on a bound listener, with limits and graceful shutdown.
//!
//! The limits are `MAX_CONNECTIONS` concurrent connections, `HEADER_TIMEOUT` to receive a request header (which also
//! closes idle connections) and `MAX_HEADER_SIZE`. On shutdown, the server stops accepting connections, closes idle
//! connections and finishes the responses in progress.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use crate::clock::Clock;

const MAX_CONNECTIONS: usize = 256;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_SIZE: usize = 16 * 1024;
/// Maximum time for which sent data can stay unacknowledged by the client.
#[cfg(target_os = "linux")]
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time to finish responses in progress after the shutdown has started.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// A handler of requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Returns the response to one request, which arrived on the address `local`.
    fn handle(
        &self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves connections to `listener` until `stopping` becomes true.
pub(crate) async fn serve(
    listener: TcpListener,
    handler: Arc<impl Handler>,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = accept(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, permit)) => {
                connections.spawn(handle_connection(stream, Arc::clone(&handler), stopping.clone(), permit));
            }
            Err(error) => {
                // Usually no file descriptors are left. They become available as connections end.
                tracing::warn!(%error, "cannot accept connection");
                clock.sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = clock.sleep(SHUTDOWN_GRACE) => {}
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn handle_connection(
    stream: TcpStream,
    handler: Arc<impl Handler>,
    mut stopping: watch::Receiver<bool>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Responses are small, so delaying them to fill packets has no benefit.
    let _ = stream.set_nodelay(true);
    // Without this timeout, a client that never reads its responses would hold a connection forever. The option exists
    // only on Linux, and not in every sandbox, so errors are ignored.
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, WRITE_TIMEOUT.as_millis() as u32);
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.handle(request, local).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_SIZE)
            .serve_connection(TokioIo::new(stream), service)
    );
    // Connection errors are ignored: they concern only the client.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Builds a JSON response that must not be cached.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
