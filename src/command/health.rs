//! `credvend health`: asks a running `credvend run` whether it is ready. Small and quick, since a probe runs it every second.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use super::{Exit, Failed};
use crate::{
    cli::ListenArgs,
    clock::{Clock as _, SystemClock},
    config::{
        Mistakes,
        env::Environment,
        sinks::{self, Listeners},
    },
};

/// A kubelet kills a probe after a second where nobody allows more.
const TIMEOUT: Duration = Duration::from_millis(900);

/// What `health` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask for this profile alone
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Asks `/readyz`.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), Failed> {
    let address = asked(&sinks::listeners(&args.listeners, env)?)?;
    let query = args.profile.as_deref().map(|name| format!("?profile={}", utf8_percent_encode(name, NON_ALPHANUMERIC)));
    let path = format!("/readyz{}", query.unwrap_or_default());
    let clock = SystemClock::new();
    let answer = tokio::select! {
        answer = get(address, &path) => answer.map_err(|why| format!("no answer from {address}: {why}")),
        () = clock.sleep(TIMEOUT) => Err(format!("no answer from {address} within {} ms", TIMEOUT.as_millis())),
    };
    match answer {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((_, body)) => Err(Failed::new(Exit::Other, format!("not ready: {body}; the log of credvend run says why"))),
        Err(why) => Err(Failed::new(Exit::Other, format!("{why}; is credvend run listening there?"))),
    }
}

/// The address that a running `credvend run` answers on, as one can connect to it.
fn asked(listeners: &Listeners) -> Result<SocketAddr, Failed> {
    let Some(mut address) = listeners.credentials.first().copied().or(listeners.admin) else {
        return Err(Mistakes::one("with --listen none there is only --admin-listen to ask: give it").into());
    };
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.kind().to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let ask = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).chars().take(500).collect()))
    };
    let mut connection = std::pin::pin!(connection);
    let mut ask = std::pin::pin!(ask);
    loop {
        tokio::select! {
            answer = ask.as_mut() => return answer,
            _ = connection.as_mut() => return Err("the connection was closed".into()),
        }
    }
}
