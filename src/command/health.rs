//! `credvend health`: asks a running `credvend run` whether it is ready. Small and quick, since a probe runs it every second.

use std::{net::SocketAddr, time::Duration};

use hyper::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    cli::ListenArgs,
    clock::{Clock as _, SystemClock},
    command::{CommandError, Exit},
    http::listeners::Listeners,
    http::loopback,
    settings::{environment::Environment, errors::ConfigErrors},
};

/// A kubelet kills a probe after a second where nobody allows more.
const TIMEOUT: Duration = Duration::from_millis(900);

/// What `health` takes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # A probe, in an image without a shell
  startupProbe: {exec: {command: [\"/credvend\", \"health\"]}, periodSeconds: 1}

  # One profile of several
  credvend health --profile account_b_role

  # In a script
  until credvend health; do sleep 1; done")]
pub(crate) struct Args {
    /// Ask for this profile alone
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Asks `/readyz`.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let address = asked(&Listeners::parse(&args.listeners, env)?)?;
    let query = args.profile.as_deref().map(|name| format!("?profile={}", utf8_percent_encode(name, NON_ALPHANUMERIC)));
    let path = format!("/readyz{}", query.unwrap_or_default());
    let clock = SystemClock::new();
    let answer = tokio::select! {
        answer = loopback::get(address, &path, None) => answer.map_err(|why| format!("no answer from {address}: {why}")),
        () = clock.sleep(TIMEOUT) => Err(format!("no answer from {address} within {} ms", TIMEOUT.as_millis())),
    };
    match answer {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((_, body)) => {
            let body = String::from_utf8_lossy(&body);
            Err(CommandError::new(Exit::Other, format!("not ready: {body}; the log of credvend run says why")))
        }
        Err(why) => Err(CommandError::new(Exit::Other, format!("{why}; is credvend run listening there?"))),
    }
}

/// The address that a running `credvend run` answers on, as one can connect to it.
pub(super) fn asked(listeners: &Listeners) -> Result<SocketAddr, CommandError> {
    let address = listeners.credentials.first().copied().or(listeners.admin);
    address
        .map(loopback::reachable)
        .ok_or_else(|| ConfigErrors::one("with --listen none there is only --admin-listen to ask: give it").into())
}
