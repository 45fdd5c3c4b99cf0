//! What `run` listens on: the credentials endpoint, the admin endpoint, the instance metadata service.

use std::{net::SocketAddr, sync::Arc};

use rustix::net::sockopt;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    app::App,
    clock::Clock,
    command::{CommandError, Exit},
    config::sinks::Sinks,
    http::{authorization::Authorization, server},
    observe::admin::Admin,
    sink::{
        endpoint::{CREDENTIALS_PATH, CredentialsEndpoint},
        instance_metadata::InstanceMetadataService,
    },
};

/// What listens.
pub(super) struct Servers {
    pub(super) running: JoinSet<()>,
    /// The first address of the credentials endpoint, as it was bound.
    pub(super) first: Option<SocketAddr>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Servers {
    pub(super) async fn listen(
        &mut self,
        app: &App,
        sinks: &Sinks,
        authorization: &Arc<Authorization>,
    ) -> Result<(), CommandError> {
        let (store, metrics, clock) = (app.store(), app.metrics(), app.clock());
        for address in &sinks.listeners.credentials {
            let (listener, bound) = bind(*address, "--listen").await?;
            self.first.get_or_insert(bound);
            tracing::info!(url = %format_args!("http://{bound}{CREDENTIALS_PATH}"), "listening");
            self.serve(listener, CredentialsEndpoint::new(store, authorization, metrics, clock, bound), clock);
        }
        if let Some(address) = sinks.listeners.admin {
            let (listener, bound) = bind(address, "--admin-listen").await?;
            tracing::info!(url = %format_args!("http://{bound}/readyz"), "listening for probes");
            let admin = Admin::new(Arc::clone(store), Arc::clone(authorization), Arc::clone(metrics));
            self.serve(listener, admin, clock);
        }
        if let Some(address) = sinks.imds {
            let (listener, bound) = bind(address, "--imds-listen").await?;
            // As EC2's own: an answer does not survive a router, so none leaves this pod.
            let one_hop = match bound {
                SocketAddr::V4(_) => sockopt::set_ip_ttl(&listener, 1),
                SocketAddr::V6(_) => sockopt::set_ipv6_unicast_hops(&listener, Some(1)),
            };
            one_hop
                .map_err(|error| CommandError::new(Exit::Sink, format!("--imds-listen {bound}: hop limit: {error}")))?;
            tracing::info!(url = %format_args!("http://{bound}"), "listening as instance metadata service");
            self.serve(listener, InstanceMetadataService::new(store, metrics, clock, bound), clock);
        }
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener, handler: Arc<impl server::Handler>, clock: &Arc<dyn Clock>) {
        self.running.spawn(server::serve(listener, handler, Arc::clone(clock), self.stopping.clone()));
    }
}

/// Takes an address.
pub(crate) async fn bind(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), CommandError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bound.await.map_err(|error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another process listens there: choose another port",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address: listen on 127.0.0.1",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
            _ => "choose another address",
        };
        CommandError::new(Exit::Sink, format!("cannot listen on {address} ({flag}): {}; {help}", error.kind()))
    })
}
