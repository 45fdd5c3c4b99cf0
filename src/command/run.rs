//! `credvend run`: keeps every profile's credentials fresh in every sink until SIGTERM.
//!
//! An error at start (configuration, a sink that cannot work) ends the process. Later errors are logged and retried.

mod once;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::{CommandError, Exit, oneshot, read_identity, signal_error, start_reaper, start_workers};
use crate::{
    app::App,
    arn::parse_duration,
    atomic_file::LOCK_TIMEOUT,
    bounded_file::FifoPolicy,
    chain::error::ProviderError,
    cli::{IdentityArgs, ListenArgs, SharedSinkArgs},
    config::Identity,
    http::{
        authorization::{Authorization, TokenLocation},
        connections::Connections,
        listeners::{self, Listeners},
        server,
    },
    observe::admin::Admin,
    process::{
        blocking::spawn_blocking,
        shutdown::{ShutdownSignal, ShutdownSignals, SignalHandlers},
    },
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        file_mode,
        setting::{pick, switch},
    },
    sink::{self, Output, Sink, SinkArgs, SinkContext, SinkError, SinkSettings},
    token::TokenFile,
};

/// Maximum time to read the configuration from a FIFO at start. A reload reads no FIFO, because it would stop serving.
const FIFO_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # As a sidecar: applications get AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9911/v1/credentials
  credvend run

  # Credentials of a role in another account, assumed with those of the first role
  credvend run --chain-role-arn arn:aws:iam::222222222222:role/account-b-role

  # Every profile of a config file, each at /v1/credentials/NAME and in a section of a shared credentials file
  credvend run --config /etc/credvend/config --all-profiles --credentials-file /aws/credentials

  # As an init container, for programs that only read the credentials file
  credvend run --once --credentials-file /aws/credentials

Signals: SIGTERM and SIGINT end the process, after --drain. SIGHUP reloads the configuration and refreshes all credentials.")]
pub(crate) struct Args {
    /// Write the file sinks once and exit; never listen
    #[arg(long)]
    pub(super) once: bool,

    /// Timeout of --once, including retries [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    pub(super) identity: IdentityArgs,

    #[command(flatten)]
    sinks: SinkArgs,

    #[command(flatten)]
    shared: SharedSinkArgs,

    /// Time to continue serving after SIGTERM [env: CREDVEND_DRAIN] [default: 0s]
    #[arg(long, value_name = "DURATION", help_heading = "Sinks")]
    drain: Option<String>,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Where the configuration of a process comes from, shared with the thread that reads it again.
type ConfigurationSource = Arc<(Args, Arc<dyn Environment>)>;

/// The sinks and the settings that apply to all of them.
pub(super) struct Outputs {
    sinks: Vec<Box<dyn Sink>>,
    tokens: TokenLocation,
    are_tokens_optional: bool,
    file_mode: u32,
    admin: Option<std::net::SocketAddr>,
    drain: Duration,
}

/// Runs until a signal arrives or, with `--once`, until the files are written.
pub(super) async fn run(args: Args, env: Arc<dyn Environment>, handlers: SignalHandlers) -> Result<(), CommandError> {
    if args.timeout.is_some() && !args.once {
        return Err(
            ConfigErrors::one("--timeout applies to --once only: without it, run continues until a signal").into()
        );
    }
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    // Before anything that takes time: these signals wait until the process can handle them.
    let signals = if args.once { None } else { Some(handlers.into_stream().map_err(signal_error)?) };
    // Nothing else runs yet, so the thread can wait for a FIFO.
    let fifos = FifoPolicy::ReadWithin(if args.once { timeout } else { FIFO_TIMEOUT });
    let identity = read_identity(&args.identity, &*env, fifos)?;
    let outputs = read_outputs(&args, &identity, &*env)?;
    if !args.once {
        start_workers()?;
    }
    match signals {
        None => once::write(&App::new().finish_within(timeout), &identity, &outputs, timeout).await,
        Some(signals) => keep_running(&Arc::new(App::new()), identity, &outputs, Arc::new((args, env)), signals).await,
    }
}

/// Parses everything that concerns sinks.
pub(super) fn read_outputs(args: &Args, identity: &Identity, env: &dyn Environment) -> Result<Outputs, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let path = |flag: &Option<String>, name: &str, variable: &str| {
        pick(flag.as_ref(), name, env, &[variable]).map(|setting| PathBuf::from(setting.text))
    };
    let listeners = Listeners::read(&args.listeners, env, &mut errors);
    let has_valid_listeners = errors.len() == 0;
    let token_file = path(&args.shared.auth_token_file, "--auth-token-file", "CREDVEND_AUTH_TOKEN_FILE");
    let token_directory = path(&args.shared.auth_token_dir, "--auth-token-dir", "CREDVEND_AUTH_TOKEN_DIR");
    if token_file.is_some() && token_directory.is_some() {
        errors.add(
            "--auth-token-file is one token for all profiles, --auth-token-dir is one for each: give only one of them",
        );
    }
    let (flag, variable) = ("--auth-token-optional", "CREDVEND_AUTH_TOKEN_OPTIONAL");
    let are_tokens_optional = switch(args.shared.auth_token_optional, variable, env, &mut errors);
    if are_tokens_optional && token_file.is_none() && token_directory.is_none() {
        errors.add(format!(
            "{flag} ({variable}) concerns the token of --auth-token-file or --auth-token-dir: give one of them, or remove it"
        ));
    }
    let admin = listeners.admin;
    let settings = SinkSettings {
        listeners,
        tokens: match (token_file, token_directory) {
            (Some(file), _) => TokenLocation::File(file),
            (None, Some(directory)) => TokenLocation::Directory(directory),
            (None, None) => TokenLocation::Open,
        },
        are_tokens_optional,
        file_mode: file_mode::read(args.shared.file_mode.as_ref(), env, &mut errors),
        chains: &identity.chains,
        once: args.once,
    };
    let sinks = sink::configure(&args.sinks, &settings, env, &mut errors);
    let has = |output| sinks.iter().any(|sink| sink.output() == output);
    if args.once && !has(Output::File) {
        errors.add("--once writes files only: name one with --credentials-file");
    } else if !args.once && !has(Output::File) && !has(Output::Listener) && has_valid_listeners {
        errors.add("there is no sink for the credentials: give --listen or --credentials-file");
    }
    let drain = pick(args.drain.as_ref(), "--drain", env, &["CREDVEND_DRAIN"])
        .and_then(|setting| setting.check(parse_duration(&setting.text), &mut errors))
        .unwrap_or_default();
    let SinkSettings { tokens, file_mode, .. } = settings;
    errors.into_result(Some(Outputs { sinks, tokens, are_tokens_optional, file_mode, admin, drain }))
}

fn context(app: &App, outputs: &Outputs, stopping: watch::Receiver<bool>, lock_timeout: Duration) -> SinkContext {
    let authorization = Authorization::new(outputs.tokens.clone(), outputs.are_tokens_optional, outputs.file_mode);
    SinkContext {
        lock_timeout,
        store: Arc::clone(app.store()),
        clock: Arc::clone(app.clock()),
        metrics: Arc::clone(app.metrics()),
        authorization: Arc::new(authorization),
        connections: Connections::new(app.clock()),
        stopping,
        endpoint: Arc::new(OnceLock::new()),
    }
}

async fn keep_running(
    app: &Arc<App>,
    identity: Identity,
    outputs: &Outputs,
    source: ConfigurationSource,
    mut signals: ShutdownSignals,
) -> Result<(), CommandError> {
    start_reaper(app)?;
    let (stop, stopping) = watch::channel(false);
    let context = context(app, outputs, stopping, LOCK_TIMEOUT);
    let mut reload_wanted = false;
    let started = until_terminated(start(app, &context, &identity, outputs), &mut signals, &mut reload_wanted).await;
    let Some(started) = started else {
        tracing::info!("shutting down before the sinks are open");
        return Ok(());
    };
    let mut running = started?;
    loop {
        if !std::mem::take(&mut reload_wanted) && signals.next().await == ShutdownSignal::Terminate {
            break;
        }
        let reload = reload(app, &context, outputs, &source);
        if until_terminated(reload, &mut signals, &mut reload_wanted).await.is_none() {
            break;
        }
    }
    tracing::info!(drain = ?outputs.drain, "shutting down");
    app.clock().sleep(outputs.drain).await;
    stop.send_replace(true);
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Waits until `work` completes, or returns `None` as soon as a signal asks for termination: the work may wait for a lock. Sets
/// `reload_wanted` if a signal asks for a reload meanwhile, so that any number of such signals cause one reload.
async fn until_terminated<T>(
    work: impl Future<Output = T>,
    signals: &mut ShutdownSignals,
    reload_wanted: &mut bool,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Some(result),
            signal = signals.next() => match signal {
                ShutdownSignal::Terminate => return None,
                ShutdownSignal::Reload => *reload_wanted = true,
            },
        }
    }
}

/// Opens the sinks and starts to refresh the credentials. Returns the tasks of the sinks.
async fn start(
    app: &App,
    context: &SinkContext,
    identity: &Identity,
    outputs: &Outputs,
) -> Result<JoinSet<()>, CommandError> {
    tracing::debug!("opening the sinks");
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    // Before the first connection, so that a profile which is not ready yet is never reported as unknown.
    let publishers = app.store().set_profiles(&identity.chains);
    refuse_planted_tokens(identity).await?;
    load_authorization(context, identity).await?;
    let mut running = JoinSet::new();
    for sink in &outputs.sinks {
        running.spawn(sink.open(context).await?);
    }
    if let Some(address) = outputs.admin {
        let (listener, bound) = listeners::bind(address, "--admin-listen").map_err(SinkError::new)?;
        tracing::info!(url = %format_args!("http://{bound}/readyz"), "listening for probes");
        let SinkContext { store, authorization, metrics, connections, clock, stopping, .. } = context.clone();
        let admin = Admin::new(store, authorization, metrics, Arc::clone(&connections));
        running.spawn(server::serve(listener, admin, connections, clock, stopping));
    }
    app.keep_fresh(providers, publishers);
    Ok(running)
}

/// Refuses a web identity token that another user may have planted. Later, that is a failed exchange.
async fn refuse_planted_tokens(identity: &Identity) -> Result<(), CommandError> {
    let bases = identity.chains.iter().filter_map(|chain| chain.base.web_identity());
    let files: Vec<TokenFile> = bases.map(|base| base.token_file.clone()).collect();
    let checked = spawn_blocking(move || files.iter().try_for_each(TokenFile::refuse_planted)).await;
    checked.map_err(|error| ProviderError::from(error).into())
}

/// Applies a changed configuration and refreshes all credentials. An invalid configuration changes nothing.
async fn reload(app: &Arc<App>, context: &SinkContext, outputs: &Outputs, source: &ConfigurationSource) {
    tracing::debug!("reading the configuration again");
    let (source, shared_app) = (Arc::clone(source), Arc::clone(app));
    let read = move || {
        let (args, env) = &*source;
        let identity = read_identity(&args.identity, &**env, FifoPolicy::Refuse)?;
        read_outputs(args, &identity, &**env)?;
        let providers = shared_app.providers(&identity.chains, &identity.proxies)?;
        Ok::<_, CommandError>((identity, providers))
    };
    let reloaded = async {
        // The files may be on a network file system that does not respond.
        let (identity, providers) = spawn_blocking(read).await?;
        load_authorization(context, &identity).await?;
        Ok::<_, CommandError>((identity, providers))
    };
    match reloaded.await {
        Ok((identity, providers)) => {
            tracing::info!(profiles = identity.chains.len(), "configuration reloaded");
            let publishers = app.store().set_profiles(&identity.chains);
            // Before the sinks, which may wait for a lock: the credentials do not depend on them.
            app.keep_fresh(providers, publishers);
            app.refresh_all();
            for sink in &outputs.sinks {
                if let Err(error) = sink.reload(context).await {
                    tracing::error!(%error, "sink not updated");
                }
            }
        }
        Err(CommandError { line, .. }) => {
            tracing::error!(error = line, "configuration not reloaded: the previous one stays in effect");
        }
    }
}

async fn load_authorization(context: &SinkContext, identity: &Identity) -> Result<(), CommandError> {
    let profiles: Vec<String> = identity.chains.iter().map(|chain| chain.profile.clone()).collect();
    let (authorization, now) = (Arc::clone(&context.authorization), context.clock.now());
    let loaded = spawn_blocking(move || authorization.load(&profiles, now)).await;
    loaded.map_err(|error| CommandError::new(Exit::Sink, error))
}
