//! `credvend exec`: runs a program with a private container credentials endpoint.
//!
//! The endpoint listens on a free loopback port and requires its own authorization token, which is in the environment of the program
//! and in a private file, removed at the end. credvend makes the first exchange before it starts the program, so that a failed
//! exchange is an exit code of credvend and not an error in the program's log. While the program runs, credvend refreshes the
//! credentials and forwards signals. It exits with the exit code of the program.

mod environment;
mod token_file;

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use clap::ValueHint;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use self::{
    environment::{Change, PrivateEndpoint},
    token_file::AuthorizationTokenFile,
};
use crate::{
    app::App,
    bounded_file::FifoPolicy,
    chain::{error::ProviderError, provider::ProvideCredentials as _},
    cli::IdentityArgs,
    command::{
        CommandError, Exit,
        oneshot::{self, TimeLimit},
        read_identity, signal_error, start_reaper, start_workers,
    },
    config::Identity,
    http::{
        authorization::Authorization,
        connections::Connections,
        listeners::{BindError, bind},
        server,
    },
    process::{
        child::{Child, forwarded_signals::ForwardedSignals},
        hardening::CoreLimit,
        shutdown::SignalHandlers,
    },
    settings::environment::Environment,
    sink::{
        SinkError,
        endpoint::{CREDENTIALS_PATH, CredentialsEndpoint},
    },
};

#[derive(Debug, clap::Args)]
#[command(override_usage = "credvend exec [OPTIONS] [--] <CMD> [ARG]...")]
#[command(after_long_help = "Examples:
  # In a pod whose service account has a role annotation, the environment has all settings
  credvend exec -- ./server --port 8080

  # Assume another role with the credentials of the first role
  credvend exec --chain-role-arn arn:aws:iam::222222222222:role/account-b-role -- aws s3 ls

  # Use a profile of ~/.aws/config in an interactive shell
  credvend exec --profile account_b_role -- bash

  # The command of a container
  command: [\"/credvend\", \"exec\", \"--\", \"/app\", \"serve\"]

Exit codes:
  The exit code of CMD, or 128 + N if signal N killed CMD.
  126 if CMD cannot be run, 127 if CMD is not found.
  Before CMD starts: 2 usage or configuration error, 3 token error, 4 refused by STS,
  5 no response from STS.")]
pub(crate) struct Args {
    /// Timeout of the first exchange, including retries [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// Program to run, and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Binds a free port on 127.0.0.1, which all SDKs support, or on `::1` on a machine without IPv4 addresses.
fn bind_loopback() -> Result<(TcpListener, SocketAddr), BindError> {
    let bind = |address: IpAddr| bind(SocketAddr::new(address, 0), "the private endpoint");
    bind(Ipv4Addr::LOCALHOST.into()).or_else(|error| bind(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))
}

/// Runs the program until it exits.
pub(super) async fn run(
    args: &Args,
    env: &dyn Environment,
    handlers: SignalHandlers,
) -> Result<ExitCode, CommandError> {
    let core_limit = CoreLimit::lower();
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let identity = read_identity(&args.identity, env, FifoPolicy::ReadWithin(timeout))?;
    let mut signals = ForwardedSignals::new().map_err(signal_error)?;
    handlers.remove();
    start_workers()?;
    let app = App::new().finish_within(timeout);
    start_reaper(&app)?;
    let (listener, bound) = bind_loopback().map_err(SinkError::new)?;

    tokio::select! {
        result = start_refresh(&app, &identity, timeout) => result?,
        // There is no program yet to forward the signal to.
        signal = signals.next_fatal() => {
            tracing::warn!(signal, "shutting down before the program started");
            return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX).into());
        }
    }
    let (_shutdown_sender, shutdown) = watch::channel(false);
    let authorization_token = serve(&app, listener, bound, shutdown);

    let url = format!("http://{bound}{CREDENTIALS_PATH}");
    let region = identity.chains.first().and_then(|chain| chain.region.as_ref());
    // Removed when this function returns.
    let token_file = AuthorizationTokenFile::create(&authorization_token, env)
        .inspect_err(|(path, error)| {
            let path = path.display();
            tracing::warn!(%path, %error, "token file not written: the program gets the authorization token in a variable only");
        })
        .ok();
    let endpoint = PrivateEndpoint {
        url: &url,
        authorization_token: authorization_token.expose_secret(),
        token_file: token_file.as_ref().and_then(AuthorizationTokenFile::path),
        region,
    };
    let child = Child::start(command(args, &endpoint, env), &core_limit).map_err(|error| start_error(args, &error))?;
    tracing::info!(url, "program started");
    Ok(child.wait(&mut signals).await.into())
}

/// Makes the first exchange of each profile, and starts to refresh the credentials.
async fn start_refresh(app: &App, identity: &Identity, timeout: Duration) -> Result<(), CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let mut exchanges = JoinSet::new();
    let limit = TimeLimit { started: app.clock().now(), timeout, reserved: Duration::ZERO };
    for (provider, chain) in providers.iter().zip(&identity.chains) {
        let (provider, clock, hosts) = (Arc::clone(provider), Arc::clone(app.clock()), oneshot::hosts(chain));
        let pacers = Arc::clone(app.pacers());
        exchanges.spawn(async move {
            let lease = oneshot::provide_with_timeout(&*provider, &*clock, limit, &hosts, &pacers).await?;
            // The program would never get credentials.
            let is_never_servable = lease.window.is_never_servable();
            let error = is_never_servable.then(|| ProviderError::short_lived(provider.hop().clone(), &lease.window));
            error.map_or(Ok(()), |error| Err(error.into()))
        });
    }
    while let Some(result) = exchanges.join_next().await {
        result.unwrap_or_else(|_| Err::<(), _>(CommandError::new(Exit::Other, "an exchange was cancelled")))?;
    }
    // The providers now have cached credentials. The first requests to the endpoint wait until these are published.
    let publishers = app.store().set_profiles(&identity.chains);
    app.keep_fresh(providers, publishers);
    Ok(())
}

/// Serves the private endpoint and returns its authorization token.
fn serve(app: &App, listener: TcpListener, bound: SocketAddr, shutdown: watch::Receiver<bool>) -> SecretString {
    let (authorization, token) = Authorization::private();
    let endpoint = CredentialsEndpoint::new(app.store(), &Arc::new(authorization), app.metrics(), app.clock(), bound);
    let connections = Connections::new(app.clock());
    tokio::spawn(server::serve(listener, endpoint, connections, Arc::clone(app.clock()), shutdown));
    token
}

/// Builds the command with its environment.
fn command(args: &Args, endpoint: &PrivateEndpoint<'_>, env: &dyn Environment) -> Command {
    let mut arguments = args.command.iter();
    // clap requires at least one argument.
    let mut command = Command::new(arguments.next().cloned().unwrap_or_default());
    command.args(arguments);
    for (variable, change) in environment::changes(endpoint, env) {
        match change {
            Change::Removed => command.env_remove(variable),
            Change::Set(value) => command.env(variable, value.as_str()),
        };
    }
    command
}

/// Converts a start error to a failure with the same exit code as in a shell.
fn start_error(args: &Args, error: &io::Error) -> CommandError {
    let program = args.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let (code, reason) = match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => {
            (Exit::CommandNotFound, "no such file, or the interpreter in its first line is missing; correct the path")
        }
        io::ErrorKind::NotFound => (Exit::CommandNotFound, "no such command in PATH; specify its path"),
        io::ErrorKind::PermissionDenied => {
            (Exit::CommandNotExecutable, "permission denied; check that it is an executable file (chmod +x)")
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => (
            Exit::CommandNotExecutable,
            "not an executable for this machine; add a first line such as #!/bin/sh to a script",
        ),
        _ => {
            return CommandError::new(
                Exit::CommandNotExecutable,
                format!("cannot run {program}: {error}; specify another program"),
            );
        }
    };
    CommandError::new(code, format!("cannot run {program}: {reason}"))
}
