//! Sinks: the outputs of `credvend run`, and the formats of the one-shot commands.
//!
//! A sink reads the [store](crate::store) and never calls STS. Each sink owns its flags, their meaning and its wire format, so a
//! new one is a new file, with its name in the two lists below.

pub(crate) mod after_write;
pub(crate) mod config_file;
pub(crate) mod credential_process;
mod credentials_json;
pub(crate) mod endpoint;
pub(crate) mod export;
pub(crate) mod file;
pub(crate) mod instance_metadata;

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    clock::Clock,
    http::{
        authorization::{Authorization, TokenLocation},
        connections::Connections,
        listeners::Listeners,
    },
    observe::metrics::Metrics,
    plan::ChainPlan,
    settings::{environment::Environment, errors::ConfigErrors},
    store::Store,
};

/// Lists the sinks of `credvend run`, in the order in which they open.
macro_rules! sinks {
    ($($sink:ident),+ $(,)?) => {
        /// The flags of all sinks.
        #[derive(Debug, Default, clap::Args)]
        #[command(next_help_heading = "Sinks")]
        pub(crate) struct SinkArgs {
            $(#[command(flatten)] $sink: $sink::Args,)+
        }

        fn configured(
            args: &SinkArgs,
            settings: &SinkSettings<'_>,
            env: &dyn Environment,
            errors: &mut ConfigErrors,
        ) -> Vec<Box<dyn Sink>> {
            [$($sink::configure(&args.$sink, settings, env, errors).map(|sink| Box::new(sink) as Box<dyn Sink>),)+]
                .into_iter()
                .flatten()
                .collect()
        }
    };
}

sinks!(file, endpoint, instance_metadata, config_file, after_write);

/// Delay before the next attempt after a failed write of a file.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The result of a sink's asynchronous method.
pub(crate) type SinkFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The work of an open sink: it serves or writes credentials until the process stops.
pub(crate) type SinkTask = SinkFuture<'static, ()>;

/// An output of `credvend run`.
pub(crate) trait Sink: Send + Sync {
    /// Returns the way in which applications get credentials from this sink.
    fn output(&self) -> Output;

    /// Returns the addresses that the sink listens on, each with the flag that configures it.
    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        Vec::new()
    }

    /// Opens the sink before the first exchange: binds its addresses, or shows that its file can be written.
    ///
    /// # Errors
    /// Returns an error if the sink cannot work; it ends `run` with exit code 6.
    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>>;

    /// Writes the store's credentials, for `run --once`.
    ///
    /// # Errors
    /// Returns an error if they cannot be written.
    fn write<'a>(&'a self, _context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }

    /// Adapts the sink to a changed list of profiles, before their first exchange.
    ///
    /// # Errors
    /// Returns an error if that fails; it is logged, and the sink goes on.
    fn reload<'a>(&'a self, _context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// How applications get credentials from a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// From a file that the sink writes.
    File,
    /// From an address that the sink listens on.
    Listener,
    /// From another sink, to which this one refers.
    Reference,
    /// None: the sink reacts to the credentials of other sinks, and limits its own time.
    Reaction,
}

/// Settings that sinks share.
pub(crate) struct SinkSettings<'a> {
    pub(crate) listeners: Listeners,
    pub(crate) tokens: TokenLocation,
    /// Whether a request without a token passes.
    pub(crate) are_tokens_optional: bool,
    /// Mode of written files.
    pub(crate) file_mode: u32,
    pub(crate) chains: &'a [ChainPlan],
    /// True for `run --once`, which never listens.
    pub(crate) once: bool,
}

/// What an open sink works with.
#[derive(Clone)]
pub(crate) struct SinkContext {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) authorization: Arc<Authorization>,
    /// The connections of all listeners.
    pub(crate) connections: Arc<Connections>,
    /// Turns true when the process stops serving.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Maximum time to wait for the lock on a file's directory.
    pub(crate) lock_timeout: Duration,
    /// The first bound address of the container credentials endpoint, once it is open.
    pub(crate) endpoint: Arc<OnceLock<SocketAddr>>,
}

impl SinkContext {
    /// Runs `work` until it completes or the process stops serving.
    async fn until_stopped(&self, work: impl Future<Output = ()>) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = work => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
}

/// A sink cannot be opened or written. One line, with what to do.
#[derive(Debug)]
pub(crate) struct SinkError(String);

impl SinkError {
    pub(crate) fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SinkError {}

/// Builds the sinks that flags and variables configure.
///
/// # Errors
/// Adds every error to `errors`, among them a chain whose base would be one of these sinks.
pub(crate) fn configure(
    args: &SinkArgs,
    settings: &SinkSettings<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Vec<Box<dyn Sink>> {
    let sinks = configured(args, settings, env, errors);
    for chain in settings.chains {
        let mut addresses = sinks.iter().flat_map(|sink| sink.addresses());
        if let Some((flag, own)) = addresses.find(|(_, listener)| chain.base.is_served_by(*listener)) {
            errors.add(format!(
                "profile {}: credential_source points to credvend's own {flag} {own}; set the address of the endpoint that \
                 provides the credentials",
                chain.profile
            ));
        }
    }
    sinks
}
