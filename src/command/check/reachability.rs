//! Checks that each STS endpoint of a chain can be reached, and compares this machine's clock with STS's.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    advice::diagnosis::describe_clock_difference,
    command::{
        Exit,
        check::{
            Checker,
            report::{Check, Outcome},
        },
    },
    http::tls,
    plan::{ChainPlan, SessionPlan},
    sts::{
        Endpoint,
        reach::{self, ReachStep, Reached},
    },
};

/// Timeout for one endpoint, so that time remains for the hops.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest clock difference in seconds that is not worth a warning.
const MAX_NORMAL_CLOCK_DIFFERENCE: u64 = 60;

/// Largest clock difference in seconds at which AWS accepts the signatures of other programs on this machine.
const MAX_SIGNATURE_CLOCK_DIFFERENCE: u64 = 5 * 60;

/// Timeout for the endpoint of a fallback region. There can be several, and the hops rarely need one.
const FALLBACK_TIMEOUT: Duration = Duration::from_secs(3);

/// The results of the endpoints that were already checked. The key of an endpoint includes its CA bundle.
#[derive(Default)]
pub(super) struct EndpointChecks(Vec<((Endpoint, Option<PathBuf>), Check)>);

impl Checker<'_> {
    /// Checks each endpoint of the chain. An endpoint that fails is a failure only if no other endpoint of the hop can serve it.
    pub(super) async fn sts(&mut self, chain: &ChainPlan) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        for session in chain.sessions() {
            let mut of_hop = Vec::new();
            for endpoint in session.endpoints() {
                of_hop.push(self.endpoint(session, endpoint).await);
            }
            let is_served = of_hop.iter().any(|check| check.outcome == Outcome::Ok);
            for mut check in of_hop {
                if is_served && check.outcome != Outcome::Ok {
                    check.outcome = Outcome::Warn;
                }
                if !checks.iter().any(|other| other.message == check.message) {
                    checks.push(check);
                }
            }
        }
        checks
    }

    /// Returns the result for an endpoint, from an earlier check if there was one.
    async fn endpoint(&mut self, session: &SessionPlan, endpoint: &Endpoint) -> Check {
        let key = (endpoint.clone(), session.ca_bundle.clone());
        if let Some((_, check)) = self.endpoint_checks.0.iter().find(|(other, _)| *other == key) {
            return check.clone();
        }
        let timeout = if *endpoint == session.endpoint { ENDPOINT_TIMEOUT } else { FALLBACK_TIMEOUT };
        let check = self.reach(session, endpoint, timeout).await;
        self.endpoint_checks.0.push((key, check.clone()));
        check
    }

    async fn reach(&self, session: &SessionPlan, endpoint: &Endpoint, timeout: Duration) -> Check {
        let url = endpoint.url_without_secrets();
        let tls = match tls::client_config(session.ca_bundle.as_deref()) {
            Ok(tls) => Arc::new(tls),
            Err(error) => return Check::fail(Exit::Usage, "sts", error.to_string()),
        };
        let reach = reach::reach(endpoint, &self.identity.proxies, tls);
        let reached = tokio::select! {
            reached = reach => reached,
            () = self.app.clock().sleep(timeout.min(self.remaining_time())) => {
                let message = format!("{url}: no connection within {} s", timeout.min(self.timeout).as_secs());
                return Check::fail(Exit::Unavailable, "sts", message).help(help(ReachStep::Connection));
            }
        };
        match reached {
            Ok(reached) => Check::ok("sts", format!("{url}: {}", describe(&reached, endpoint))),
            Err(error) => Check::fail(Exit::Unavailable, "sts", format!("{url}: {error}"))
                .help(error.help.unwrap_or_else(|| help(error.step))),
        }
    }

    /// Compares this machine's clock with STS's. Returns `None` if STS's time is not known.
    pub(super) fn clock(&self) -> Option<Check> {
        let seconds = self.app.sts_clock().difference(self.app.clock().now())?;
        let difference = seconds.unsigned_abs();
        if difference <= MAX_NORMAL_CLOCK_DIFFERENCE {
            return Some(Check::ok("clock", format!("within {MAX_NORMAL_CLOCK_DIFFERENCE} s of STS's clock")));
        }
        let consequence = if difference > MAX_SIGNATURE_CLOCK_DIFFERENCE {
            "credvend corrects its signatures by the difference, but AWS refuses requests of other programs on this machine"
        } else {
            "credvend corrects its signatures by the difference; for other programs, AWS accepts up to 5 minutes"
        };
        let message = format!("this machine's clock is {}: {consequence}", describe_clock_difference(seconds));
        Some(Check::warn("clock", message).help("correct the clock of the node (see chronyc tracking and timedatectl)"))
    }
}

/// Inserts the clock check after the STS checks.
pub(super) fn insert_clock(checks: &mut Vec<Check>, clock: Option<Check>) {
    let index = checks.iter().rposition(|check| check.name == "sts").map_or(checks.len(), |last| last + 1);
    checks.splice(index..index, clock);
}

fn describe(reached: &Reached, endpoint: &Endpoint) -> String {
    let Reached { host, address, is_proxy, tls } = reached;
    let path = match (is_proxy, tls) {
        (true, _) => {
            format!("the proxy {host} accepts connections ({address}); the exchanges show whether it forwards to STS")
        }
        (false, Some(tls)) => format!("resolves to {}, connects, {tls}", address.ip()),
        (false, None) => format!("resolves to {}, connects, without TLS", address.ip()),
    };
    format!("{path}; calls are signed for {}", endpoint.signing_region)
}

fn help(step: ReachStep) -> &'static str {
    match step {
        ReachStep::Url => "correct AWS_ENDPOINT_URL_STS or HTTPS_PROXY",
        ReachStep::Name => {
            "check the DNS of the pod (its NetworkPolicy must allow port 53), and check that the region in AWS_REGION exists"
        }
        ReachStep::Connection => {
            "check the egress rules (NetworkPolicy, security group, NAT or STS VPC endpoint of the subnet), HTTPS_PROXY and \
             NO_PROXY"
        }
        ReachStep::Tls => {
            "if a private endpoint or a TLS-intercepting proxy uses its own CA, set AWS_CA_BUNDLE to the CA certificate; also \
             check the clock of the node"
        }
    }
}
