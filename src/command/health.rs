//! `credvend health`: checks whether a running `credvend run` is ready. A probe runs this command every second, so it is fast.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use hyper::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::{
    cli::{ListenArgs, TokenArgs},
    clock::{Clock as _, SystemClock},
    command::{CommandError, Exit},
    http::{authorization, listeners::Listeners, loopback},
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
};

/// The default timeout of a Kubernetes probe is one second.
const TIMEOUT: Duration = Duration::from_millis(900);

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # A probe in an image without a shell
  startupProbe: {exec: {command: [\"/credvend\", \"health\"]}, periodSeconds: 1}

  # Check one of several profiles
  credvend health --profile account_b_role

  # Wait in a script
  until credvend health; do sleep 1; done")]
pub(crate) struct Args {
    /// Check only this profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Requests `/readyz`.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let address = server_address(&Listeners::parse(&args.listeners, env)?)?;
    let query = args.profile.as_deref().map(|name| format!("?profile={}", utf8_percent_encode(name, NON_ALPHANUMERIC)));
    let path = format!("/readyz{}", query.unwrap_or_default());
    let token = token(args, env);
    let clock = SystemClock::new();
    let response = tokio::select! {
        response = loopback::get(address, &path, token.as_deref().map(String::as_str)) => {
            response.map_err(|error| format!("no response from {address}: {error}"))
        }
        () = clock.sleep(TIMEOUT) => Err(format!("no response from {address} within {} ms", TIMEOUT.as_millis())),
    };
    match response {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((_, body)) => {
            let body = String::from_utf8_lossy(&body);
            Err(CommandError::new(Exit::Other, format!("not ready: {body}; see the log of credvend run")))
        }
        Err(error) => {
            Err(CommandError::new(Exit::Other, format!("{error}; check that credvend run is listening there")))
        }
    }
}

/// Returns the authorization token of the profile to check, or of all profiles. The server names the profiles that are not ready only
/// to callers with a token, but answers without a token too, so a token that cannot be read is no error.
fn token(args: &Args, env: &dyn Environment) -> Option<Zeroizing<String>> {
    let TokenArgs { auth_token_file, auth_token_dir } = &args.token;
    let file = pick(auth_token_file.as_ref(), "--auth-token-file", env, &["CREDVEND_AUTH_TOKEN_FILE"]);
    let directory = pick(auth_token_dir.as_ref(), "--auth-token-dir", env, &["CREDVEND_AUTH_TOKEN_DIR"]);
    let path = match (file, directory) {
        (Some(file), _) => PathBuf::from(file.text),
        (None, directory) => PathBuf::from(directory?.text).join(args.profile.as_ref()?),
    };
    authorization::read_for_client(&path).ok()
}

/// Returns the address to which clients of a running `credvend run` connect.
pub(super) fn server_address(listeners: &Listeners) -> Result<SocketAddr, CommandError> {
    let address = listeners.credentials.first().copied().or(listeners.admin);
    address.map(loopback::reachable).ok_or_else(|| {
        ConfigErrors::one("--listen none requires an address in --admin-listen; set --admin-listen").into()
    })
}
