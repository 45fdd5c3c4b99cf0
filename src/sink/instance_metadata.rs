//! An EC2 instance metadata service, version 2, for clients that support no other source: `--imds-listen`.
//!
//! [IMDSv2](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).

mod service;
mod session;

use std::net::SocketAddr;

use rustix::net::sockopt;

use self::service::InstanceMetadataService;
use super::{Output, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask};
use crate::{
    arn::NotValid,
    http::{
        listeners::{bind, is_loopback_or, parse_address},
        server,
    },
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
};

const FLAG: &str = "--imds-listen";

/// The addresses of EC2's own service.
const EC2_ADDRESSES: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct Args {
    /// Address of an instance metadata service (IMDSv2 only) with the credentials of the first profile [env: CREDVEND_IMDS_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    imds_listen: Option<String>,
}

/// Serves the first profile.
struct InstanceMetadataSink {
    address: SocketAddr,
}

/// Returns the sink if an address is configured.
pub(super) fn configure(
    args: &Args,
    settings: &SinkSettings<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<impl Sink + use<>> {
    let setting = pick(args.imds_listen.as_ref(), FLAG, env, &["CREDVEND_IMDS_LISTEN"])?;
    let address = setting.check(parse_address(&setting.text).and_then(require_pod_local), errors)?;
    (!settings.once).then_some(InstanceMetadataSink { address })
}

/// Refuses addresses that other pods can reach.
fn require_pod_local(address: SocketAddr) -> Result<SocketAddr, NotValid> {
    if is_loopback_or(&EC2_ADDRESSES, address.ip()) {
        return Ok(address);
    }
    Err(NotValid::new("must be on loopback, 169.254.169.254 or fd00:ec2::254: IMDS has no authorization"))
}

impl Sink for InstanceMetadataSink {
    fn output(&self) -> Output {
        Output::Listener
    }

    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        vec![(FLAG, self.address)]
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            let (listener, bound) = bind(self.address, FLAG).map_err(SinkError::new)?;
            // Like EC2's service, so that a response never passes a router and leaves the pod.
            let hop_limit = match bound {
                SocketAddr::V4(_) => sockopt::set_ip_ttl(&listener, 1),
                SocketAddr::V6(_) => sockopt::set_ipv6_unicast_hops(&listener, Some(1)),
            };
            hop_limit.map_err(|error| SinkError::new(format_args!("{FLAG} {bound}: hop limit: {error}")))?;
            tracing::info!(url = %format_args!("http://{bound}"), "listening as instance metadata service");
            let SinkContext { store, metrics, connections, clock, stopping, .. } = context.clone();
            let service = InstanceMetadataService::new(&store, &metrics, &clock, bound);
            let task: SinkTask = Box::pin(server::serve(listener, service, connections, clock, stopping));
            Ok(task)
        })
    }
}
