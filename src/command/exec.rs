//! `credvend exec`: runs a program beside a private container credentials endpoint.
//!
//! The endpoint has a free loopback port and an authorization token of its own, which only the program's environment holds.
//! The first exchange is made before the program starts, so that what is wrong with it is an exit code and not a puzzle in
//! the program's log; from then on credvend keeps the credentials fresh, passes signals on and ends as the program ends.

mod environment;

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use clap::ValueHint;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use self::environment::{Change, Vended};
use crate::{
    app::App,
    chain::base::credential_process::credential_process_runs,
    cli::IdentityArgs,
    command::{CommandError, Exit, oneshot, read_identity},
    config::Identity,
    http::{authorization::Authorization, listeners::bind, server},
    process::{
        child::{Child, forwarded_signals::ForwardedSignals},
        hardening::CoreLimit,
    },
    settings::environment::Environment,
    sink::{
        SinkError,
        endpoint::{CREDENTIALS_PATH, CredentialsEndpoint},
    },
};

/// What `exec` takes.
#[derive(Debug, clap::Args)]
#[command(override_usage = "credvend exec [OPTIONS] [--] <CMD> [ARG]...")]
#[command(after_long_help = "Examples:
  # In a pod whose service account is annotated with a role, the variables say the rest
  credvend exec -- ./server --port 8080

  # As another role, reached through the first
  credvend exec --chain-role-arn arn:aws:iam::222222222222:role/account-b-role -- aws s3 ls

  # As a profile of ~/.aws/config, with a shell to look around in
  credvend exec --profile account_b_role -- bash

  # A container's whole command
  command: [\"/credvend\", \"exec\", \"--\", \"/app\", \"serve\"]

Exit code: CMD's own; 128 + N where signal N killed it; 127 where it was not found, 126 where it could not be run;
before it started 2 for usage, 3 for the token, 4 where STS refused, 5 where STS was not reached.")]
pub(crate) struct Args {
    /// Bound of the first exchange, retries included [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    /// The program to run, and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Runs the program until it ends.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<ExitCode, CommandError> {
    let core_limit = CoreLimit::lower();
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let identity = read_identity(&args.identity, env)?;
    // From here on, since PID 1 is deaf to signals that it does not handle.
    let mut signals = ForwardedSignals::new()
        .map_err(|error| CommandError::new(Exit::Other, format!("signals cannot be handled: {error}")))?;
    let app = App::new();
    let (listener, bound) =
        bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "the private endpoint").await.map_err(SinkError::new)?;

    tokio::select! {
        ready = begin(&app, &identity, timeout) => ready?,
        // There is no program yet that could have heard it.
        signal = signals.next_deadly() => {
            tracing::warn!(signal, "ended before the program was started");
            return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX).into());
        }
    }
    let (_stop, stopping) = watch::channel(false);
    let authorization_token = serve(&app, listener, bound, stopping);

    let url = format!("http://{bound}{CREDENTIALS_PATH}");
    let region = identity.chains.first().and_then(|chain| chain.region.as_ref());
    let vended = Vended { url: &url, authorization_token: authorization_token.expose_secret(), region };
    let child = Child::start(command(args, &vended, env), &core_limit).map_err(|error| not_started(args, &error))?;
    tracing::info!(url, "program started");
    Ok(child.wait(&mut signals, &**app.clock(), credential_process_runs).await.into())
}

/// Makes the first exchange of every profile, and keeps what it gave fresh.
async fn begin(app: &App, identity: &Identity, timeout: Duration) -> Result<(), CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let mut asked = JoinSet::new();
    for provider in &providers {
        let (provider, clock) = (Arc::clone(provider), Arc::clone(app.clock()));
        asked.spawn(async move { oneshot::provide_within(&*provider, &*clock, timeout).await });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap_or_else(|_| Err(CommandError::new(Exit::Other, "an exchange was cut off")))?;
    }
    // The links answer from memory now, and the endpoint's first requests wait for what they publish.
    let publishers = app.store().set_profiles(&identity.chains);
    app.keep_fresh(providers, publishers);
    Ok(())
}

/// Answers on the private endpoint; gives the token that it asks for.
fn serve(app: &App, listener: TcpListener, bound: SocketAddr, stopping: watch::Receiver<bool>) -> SecretString {
    let (authorization, token) = Authorization::private();
    let endpoint = CredentialsEndpoint::new(app.store(), &Arc::new(authorization), app.metrics(), app.clock(), bound);
    tokio::spawn(server::serve(listener, endpoint, Arc::clone(app.clock()), stopping));
    token
}

/// The program with its environment.
fn command(args: &Args, vended: &Vended<'_>, env: &dyn Environment) -> Command {
    let mut words = args.command.iter();
    // clap asks for at least one word.
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    for (variable, change) in environment::changes(vended, env) {
        match change {
            Change::Removed => command.env_remove(variable),
            Change::Set(value) => command.env(variable, value.as_str()),
        };
    }
    command
}

/// Why a program does not start, with the exit codes of shells.
fn not_started(args: &Args, error: &io::Error) -> CommandError {
    let program = args.command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => {
            (Exit::CommandNotFound, "no such file, or the interpreter in its first line is missing; correct the path")
        }
        io::ErrorKind::NotFound => (Exit::CommandNotFound, "no such command in PATH; give its path"),
        io::ErrorKind::PermissionDenied => {
            (Exit::CommandNotExecutable, "permission denied; see that it is an executable file (chmod +x)")
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => (
            Exit::CommandNotExecutable,
            "not a program for this machine; a script needs a first line such as #!/bin/sh",
        ),
        _ => {
            return CommandError::new(
                Exit::CommandNotExecutable,
                format!("cannot run {program}: {error}; give another"),
            );
        }
    };
    CommandError::new(code, format!("cannot run {program}: {why}"))
}
