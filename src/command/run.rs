//! `credvend run`: keeps every profile's credentials fresh in every sink until SIGTERM.
//!
//! What is wrong at start ends it: a configuration that cannot be used, a sink that cannot work. What goes wrong later is
//! logged and tried again.

mod servers;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub(super) use self::servers::bind;

use self::servers::Servers;
use crate::cli::SinkArgs;
use crate::{
    app::App,
    cli::IdentityArgs,
    command::{CommandError, Exit, oneshot, read_identity},
    config::{
        self, Identity,
        sinks::{self, Sinks},
    },
    http::{
        authorization::{Authorization, TokenLocation},
        loopback,
    },
    plan::ChainPlan,
    process::{
        blocking::spawn_blocking,
        shutdown::{ShutdownSignal, ShutdownSignals},
    },
    settings::{environment::Environment, errors::ConfigErrors},
    sink::{
        config_file::{ConfigFile, Token},
        endpoint::CREDENTIALS_PATH,
        file::CredentialsFile,
    },
};

/// What `run` takes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # As a sidecar: SDKs get AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9911/v1/credentials
  credvend run

  # Into another account, through a first role
  credvend run --chain-role-arn arn:aws:iam::222222222222:role/account-b-role

  # Every profile of a config file, each at /v1/credentials/NAME and in a section of a shared file
  credvend run --config /etc/credvend/config --all-profiles --credentials-file /aws/credentials

  # As an init container, for tools that read the file alone
  credvend run --once --credentials-file /aws/credentials

Signals: SIGTERM and SIGINT end it, after --drain; SIGHUP reads the configuration again and refreshes now.")]
pub(crate) struct Args {
    /// Fill the file sinks once and exit; never listen
    #[arg(long)]
    pub(super) once: bool,

    /// Bound of --once, retries included [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    sinks: SinkArgs,
}

/// Runs until a signal ends it, or with `--once` until the files are filled.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    if args.timeout.is_some() && !args.once {
        return Err(ConfigErrors::one("--timeout bounds --once: a run without it goes on until a signal").into());
    }
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    // Before anything that takes time: a signal that comes meanwhile waits.
    let signals = if args.once { None } else { Some(signals()?) };
    let identity = read_identity(&args.identity, env)?;
    let sinks = sinks::sinks(&args.sinks, args.once, &identity.chains, env)?;
    if !args.once {
        config::refuse_own_endpoint(&identity, &sinks)?;
    }
    let app = App::new();
    match signals {
        None => once(&app, &identity, &sinks, timeout).await,
        Some(signals) => keep(&app, identity, &sinks, args, env, signals).await,
    }
}

fn signals() -> Result<ShutdownSignals, CommandError> {
    ShutdownSignals::new()
        .map_err(|error| CommandError::new(Exit::Other, format!("signals cannot be handled: {error}")))
}

/// Fills the files.
async fn once(app: &App, identity: &Identity, sinks: &Sinks, timeout: Duration) -> Result<(), CommandError> {
    let clock = &**app.clock();
    let begun = clock.now();
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let file = oneshot::write_with_timeout(clock, begun, timeout, probed_file(sinks)).await??;
    let publishers = app.store().set_profiles(&identity.chains);
    write_config_file(&identity.chains, config_file(sinks, None)?.as_ref()).await?;
    let mut asked = JoinSet::new();
    for (provider, publisher) in providers.into_iter().zip(publishers) {
        let clock = Arc::clone(app.clock());
        asked.spawn(async move {
            publisher.publish(oneshot::provide_with_timeout(&*provider, &*clock, timeout).await?);
            Ok::<_, CommandError>(())
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap_or_else(|_| Err(CommandError::new(Exit::Other, "an exchange was cut off")))?;
    }
    match file {
        Some(file) => {
            let written = oneshot::write_with_timeout(clock, begun, timeout, file.write(app.store())).await?;
            file.log(written.map_err(|error| CommandError::new(Exit::Sink, error))?);
            Ok(())
        }
        None => Ok(()),
    }
}

async fn keep(
    app: &App,
    identity: Identity,
    sinks: &Sinks,
    args: &Args,
    env: &dyn Environment,
    mut signals: ShutdownSignals,
) -> Result<(), CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let file = probed_file(sinks).await?;
    if file.is_some() {
        app.store().await_file();
    }
    let authorization = authorization(app, &identity, sinks).await?;
    let (stop, stopping) = watch::channel(false);
    let mut servers = Servers { running: JoinSet::new(), first: None, stopping };
    servers.listen(app, sinks, &authorization).await?;
    let config_file = config_file(sinks, servers.first)?;

    // Before the first credentials, so that whoever waits for those finds the file.
    write_config_file(&identity.chains, config_file.as_ref()).await?;
    app.keep_fresh(&identity.chains, providers);
    let writing = file.map(|file| {
        let (store, clock, metrics) = (app.store(), app.clock(), app.metrics());
        tokio::spawn(file.keep_written(Arc::clone(store), Arc::clone(clock), Arc::clone(metrics)))
    });

    while signals.next().await == ShutdownSignal::Reload {
        reload(app, &authorization, args, sinks, config_file.as_ref(), env).await;
    }
    tracing::info!(drain = ?sinks.drain, "ending");
    app.clock().sleep(sinks.drain).await;
    writing.as_ref().map(JoinHandle::abort);
    stop.send_replace(true);
    while servers.running.join_next().await.is_some() {}
    Ok(())
}

/// Takes over a changed configuration and fetches everything anew; a broken one changes nothing.
async fn reload(
    app: &App,
    authorization: &Arc<Authorization>,
    args: &Args,
    sinks: &Sinks,
    config_file: Option<&ConfigFile>,
    env: &dyn Environment,
) {
    let reloaded = async {
        let identity = read_identity(&args.identity, env)?;
        sinks::sinks(&args.sinks, false, &identity.chains, env)?;
        config::refuse_own_endpoint(&identity, sinks)?;
        let providers = app.providers(&identity.chains, &identity.proxies)?;
        load_authorization(app, authorization, &identity, sinks.auth_token_dir.is_some()).await?;
        Ok::<_, CommandError>((identity, providers))
    };
    match reloaded.await {
        Ok((identity, providers)) => {
            tracing::info!(profiles = identity.chains.len(), "configuration read again");
            if let Err(CommandError { line, .. }) = write_config_file(&identity.chains, config_file).await {
                tracing::error!(error = line, "config file not written");
            }
            app.keep_fresh(&identity.chains, providers);
        }
        Err(CommandError { line, .. }) => {
            tracing::error!(error = line, "configuration not usable: the one before stays");
        }
    }
}

async fn probed_file(sinks: &Sinks) -> Result<Option<CredentialsFile>, CommandError> {
    let Some(path) = sinks.credentials_file.clone() else { return Ok(None) };
    let file = CredentialsFile { path, mode: sinks.file_mode, section: sinks.credentials_profile.clone() };
    file.probe().await.map_err(|error| CommandError::new(Exit::Sink, error))?;
    Ok(Some(file))
}

async fn authorization(app: &App, identity: &Identity, sinks: &Sinks) -> Result<Arc<Authorization>, CommandError> {
    let source = match (&sinks.auth_token_file, &sinks.auth_token_dir) {
        (Some(path), _) => TokenLocation::File(path.clone()),
        (None, Some(directory)) => TokenLocation::Directory(directory.clone()),
        (None, None) => TokenLocation::Open,
    };
    let authorization = Arc::new(Authorization::new(source, sinks.file_mode));
    load_authorization(app, &authorization, identity, false).await?;
    Ok(authorization)
}

async fn load_authorization(
    app: &App,
    authorization: &Arc<Authorization>,
    identity: &Identity,
    rotate: bool,
) -> Result<(), CommandError> {
    let profiles: Vec<String> = identity.chains.iter().map(|chain| chain.profile.clone()).collect();
    let (authorization, now) = (Arc::clone(authorization), app.clock().now());
    let loaded = spawn_blocking(move || authorization.load(&profiles, rotate, now)).await;
    loaded.map_err(|error| CommandError::new(Exit::Sink, error))
}

/// The config file to write, with the endpoint that was bound in it.
fn config_file(sinks: &Sinks, bound: Option<SocketAddr>) -> Result<Option<ConfigFile>, CommandError> {
    let Some(settings) = &sinks.config_file else { return Ok(None) };
    let address = bound.or(sinks.listeners.credentials.first().copied()).map(loopback::reachable);
    // Its readers work in other directories.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let binary = match &settings.binary {
        Some(binary) => absolute(binary),
        None => std::env::current_exe().map_err(|error| {
            CommandError::new(
                Exit::Other,
                format!("this binary's path: {}; name it with --config-file-binary", error.kind()),
            )
        })?,
    };
    let token = match (&sinks.auth_token_file, &sinks.auth_token_dir) {
        (Some(path), _) => Some(Token::File(absolute(path))),
        (None, directory) => directory.as_deref().map(absolute).map(Token::Directory),
    };
    let url = address.map(|address| format!("http://{address}{CREDENTIALS_PATH}")).unwrap_or_default();
    Ok(Some(ConfigFile { path: settings.path.clone(), mode: sinks.file_mode, binary, url, token }))
}

async fn write_config_file(chains: &[ChainPlan], file: Option<&ConfigFile>) -> Result<(), CommandError> {
    let Some(file) = file else { return Ok(()) };
    let profiles = chains.iter().map(|chain| (chain.profile.as_str(), chain.region.as_ref()));
    file.write(profiles).await.map_err(|error| CommandError::new(Exit::Sink, error))
}
