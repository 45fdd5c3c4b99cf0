//! From chains to links: each step one link, and steps that two chains have in common the same one.

use std::{path::Path, sync::Arc};

use tokio::sync::Mutex;

use super::{Ambient, Link, Step};
use crate::{
    chain::{Base, Chain, base::Source},
    sts::Client,
};

/// Links of `chains`, the last of each in the same order; `client` finds the client for a step's CA bundle.
pub fn links(
    chains: &[Chain],
    ambient: &Ambient,
    mut client: impl FnMut(Option<&Path>) -> Arc<Client>,
) -> Vec<Arc<Link>> {
    let mut ends: Vec<Arc<Link>> = Vec::with_capacity(chains.len());
    for (index, chain) in chains.iter().enumerate() {
        // The longest beginning that an earlier chain has too.
        let shared = (0..index).map(|earlier| (common_steps(&chains[earlier], chain), earlier)).max();
        let mut link = shared.filter(|(steps, _)| *steps > 0).map(|(steps, earlier)| ends[earlier].ancestor(steps));
        let made = link.as_ref().map_or(0, |link| link.hop.number);
        for hop in chain.hop_names().into_iter().skip(made) {
            let step = match (link.take(), hop.number) {
                (Some(source), number) => {
                    let plan = chain.hops[number - 2].clone();
                    let client = client(plan.session.ca_bundle.as_deref());
                    Step::AssumeRole { plan, client, source }
                }
                (None, _) => match &chain.base {
                    Base::WebIdentity(plan) => {
                        Step::WebIdentity { plan: plan.clone(), client: client(plan.session.ca_bundle.as_deref()) }
                    }
                    Base::Static(keys) | Base::Environment(keys) => Step::Source(Source::Keys(keys.clone())),
                    Base::Container(endpoint) => Step::Source(Source::Container(endpoint.clone())),
                    Base::InstanceMetadata(service) => Step::Source(Source::InstanceMetadata(service.clone())),
                    Base::Process(process) => {
                        let is_vended = |other: &Chain| other.hops.is_empty() && other.base == chain.base;
                        let is_vended = chains.iter().any(is_vended);
                        Step::Source(Source::Process { process: process.clone(), is_vended })
                    }
                },
            };
            let serves = |other: &&Chain| common_steps(other, chain) >= hop.number;
            let profiles: Vec<&str> = chains.iter().filter(serves).map(|chain| chain.profile.as_str()).collect();
            link = Some(Arc::new(Link {
                hop,
                step,
                ambient: ambient.clone(),
                profiles: profiles.join(","),
                state: Mutex::default(),
            }));
        }
        ends.extend(link);
    }
    ends
}

/// How many steps two chains have in common, from the base on.
fn common_steps(one: &Chain, other: &Chain) -> usize {
    if one.base != other.base {
        return 0;
    }
    1 + one.hops.iter().zip(&other.hops).take_while(|(one, other)| one == other).count()
}
