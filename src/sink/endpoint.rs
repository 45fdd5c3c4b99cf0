//! The container credentials endpoint, as ECS and EKS Pod Identity offer it to SDKs: `--listen`.
//!
//! [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

mod documents;
mod handler;

use std::net::SocketAddr;

use tokio::task::JoinSet;

pub(crate) use self::handler::CredentialsEndpoint;
use super::{Output, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask};
use crate::{
    http::{
        authorization::TokenLocation,
        listeners::{bind, stays_in_pod},
        server,
    },
    settings::{environment::Environment, errors::ConfigErrors},
};

/// Path of the first profile's credentials; `/NAME` after it selects another profile.
pub(crate) const CREDENTIALS_PATH: &str = "/v1/credentials";

/// The flags besides `--listen`, which `health` and `status` take too ([`ListenArgs`](crate::cli::ListenArgs)).
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct Args {
    /// Allow --listen on an address that other machines can reach; requires an authorization token
    #[arg(long)]
    allow_remote: bool,
}

/// Serves the endpoint on every configured address.
struct EndpointSink {
    addresses: Vec<SocketAddr>,
}

/// Returns the sink, unless `--listen none` turns it off.
pub(super) fn configure(
    args: &Args,
    settings: &SinkSettings<'_>,
    _env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<impl Sink + use<>> {
    let addresses = settings.listeners.credentials.clone();
    let requires_token = !matches!(settings.tokens, TokenLocation::Open) && !settings.are_tokens_optional;
    for address in addresses.iter().filter(|address| !stays_in_pod(address.ip())) {
        if !(args.allow_remote && requires_token) {
            let and_required = if settings.are_tokens_optional { " and without --auth-token-optional" } else { "" };
            errors.add(format!(
                "--listen {address} can be reached from other machines: listen on 127.0.0.1, or give --allow-remote \
                 together with --auth-token-file{and_required}"
            ));
        }
    }
    (!settings.once && !addresses.is_empty()).then_some(EndpointSink { addresses })
}

impl Sink for EndpointSink {
    fn output(&self) -> Output {
        Output::Listener
    }

    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        self.addresses.iter().map(|address| ("--listen", *address)).collect()
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            let mut servers = JoinSet::new();
            for address in &self.addresses {
                let (listener, bound) = bind(*address, "--listen").map_err(SinkError::new)?;
                context.endpoint.get_or_init(|| bound);
                tracing::info!(url = %format_args!("http://{bound}{CREDENTIALS_PATH}"), "listening");
                let SinkContext { store, authorization, metrics, connections, clock, stopping, .. } = context.clone();
                let endpoint = CredentialsEndpoint::new(&store, &authorization, &metrics, &clock, bound);
                servers.spawn(server::serve(listener, endpoint, connections, clock, stopping));
            }
            let task: SinkTask = Box::pin(async move { while servers.join_next().await.is_some() {} });
            Ok(task)
        })
    }
}
