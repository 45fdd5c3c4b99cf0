//! Whether STS is reached: each endpoint of a chain, once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    advice::diagnosis::clock_says,
    command::{
        Exit,
        check::{Examiner, report::Check},
    },
    http::tls,
    plan::{ChainPlan, SessionPlan},
    sts::{
        Endpoint,
        reach::{self, ReachStep, Reached},
    },
};

/// An endpoint is given up after so long; the hops may need the rest of the time.
const PATIENCE: Duration = Duration::from_secs(10);

/// From here on a clock is worth a word.
const NOTICEABLE: u64 = 60;

/// From here on AWS refuses what other programs on this machine sign.
const REFUSED: u64 = 5 * 60;

/// The endpoints that were tried, with what came of it.
#[derive(Default)]
pub(super) struct Reaches(Vec<((Endpoint, Option<PathBuf>), Check)>);

impl Examiner<'_> {
    /// One line for each endpoint of the chain.
    pub(super) async fn sts(&mut self, chain: &ChainPlan) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        for session in (1..=chain.hops.len() + 1).filter_map(|number| chain.session(number)) {
            let key = (session.endpoint.clone(), session.ca_bundle.clone());
            let known = self.reaches.0.iter().find(|(tried, _)| *tried == key).map(|(_, check)| check.clone());
            let check = match known {
                Some(check) => check,
                None => {
                    let check = self.reach(session).await;
                    self.reaches.0.push((key, check.clone()));
                    check
                }
            };
            if !checks.iter().any(|other| other.message == check.message) {
                checks.push(check);
            }
        }
        checks
    }

    async fn reach(&self, session: &SessionPlan) -> Check {
        let url = session.endpoint.url_without_secrets();
        let tls = match tls::client_config(session.ca_bundle.as_deref()) {
            Ok(tls) => Arc::new(tls),
            Err(error) => return Check::fail(Exit::Usage, "sts", error.to_string()),
        };
        let reaching = reach::reach(&session.endpoint, &self.identity.proxies, tls);
        let retry_policy = self.app.clock().sleep(PATIENCE.min(self.left()));
        let reached = tokio::select! {
            reached = reaching => reached,
            () = retry_policy => {
                let message = format!("{url}: no connection within {} s", PATIENCE.min(self.timeout).as_secs());
                return Check::fail(Exit::Unavailable, "sts", message).help(help(ReachStep::Connection));
            }
        };
        match reached {
            Ok(reached) => Check::ok("sts", format!("{url}: {}", describe(&reached, &session.endpoint))),
            Err(error) => Check::fail(Exit::Unavailable, "sts", format!("{url}: {error}")).help(help(error.step)),
        }
    }

    /// How far this machine's clock is off, where STS told the time.
    pub(super) fn clock(&self) -> Option<Check> {
        let seconds = self.app.sts_clock().difference(self.app.clock().now())?;
        let off = seconds.unsigned_abs();
        if off <= NOTICEABLE {
            return Some(Check::ok("clock", format!("within {NOTICEABLE} s of STS's")));
        }
        let consequence = if off > REFUSED {
            "credvend corrects what it signs by the difference; what other programs here sign, AWS refuses"
        } else {
            "credvend corrects what it signs by the difference; AWS takes up to 5 minutes from other programs"
        };
        let message = format!("this machine's clock is {}: {consequence}", clock_says(seconds));
        Some(Check::warn("clock", message).help("set the node's clock (chronyc tracking, timedatectl)"))
    }
}

/// Puts the line about the clock behind those about STS.
pub(super) fn insert_clock(checks: &mut Vec<Check>, clock: Option<Check>) {
    let at = checks.iter().rposition(|check| check.name == "sts").map_or(checks.len(), |last| last + 1);
    checks.splice(at..at, clock);
}

fn describe(reached: &Reached, endpoint: &Endpoint) -> String {
    let Reached { host, address, is_proxy, tls } = reached;
    let way = match (is_proxy, tls) {
        (true, _) => {
            format!("the proxy {host} accepts connections ({address}); what lies behind it the exchange tells")
        }
        (false, Some(tls)) => format!("resolves to {}, connects, {tls}", address.ip()),
        (false, None) => format!("resolves to {}, connects, without TLS", address.ip()),
    };
    format!("{way}; calls are signed for {}", endpoint.signing_region)
}

fn help(step: ReachStep) -> &'static str {
    match step {
        ReachStep::Url => "correct AWS_ENDPOINT_URL_STS, or HTTPS_PROXY",
        ReachStep::Name => {
            "check the pod's DNS (its NetworkPolicy must allow port 53), and that AWS_REGION names a region that exists"
        }
        ReachStep::Connection => {
            "check egress rules (NetworkPolicy, security group, the subnet's NAT or STS VPC endpoint), and HTTPS_PROXY and \
             NO_PROXY"
        }
        ReachStep::Tls => {
            "where a private endpoint or a proxy that opens TLS has a CA of its own, name it with AWS_CA_BUNDLE; see also the \
             node's clock"
        }
    }
}
