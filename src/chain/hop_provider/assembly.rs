//! From chains to links: each step one link, and steps that two chains have in common the same one.

use std::{path::Path, sync::Arc};

use tokio::sync::Mutex;

use crate::{
    chain::{
        base::BaseProvider,
        hop_provider::{Context, HopKind, HopProvider},
    },
    plan::{Base, ChainPlan},
    sts::Client,
};

/// Links of `chains`, the last of each in the same order; `client` finds the client for a step's CA bundle.
pub(crate) fn hop_providers(
    chains: &[ChainPlan],
    context: &Context,
    mut client: impl FnMut(Option<&Path>) -> Arc<Client>,
) -> Vec<Arc<HopProvider>> {
    let mut ends: Vec<Arc<HopProvider>> = Vec::with_capacity(chains.len());
    for (index, chain) in chains.iter().enumerate() {
        // The longest beginning that an earlier chain has too.
        let shared = (0..index).map(|earlier| (common_steps(&chains[earlier], chain), earlier)).max();
        let mut provider = shared.filter(|(steps, _)| *steps > 0).map(|(steps, earlier)| ends[earlier].ancestor(steps));
        let made = provider.as_ref().map_or(0, |provider| provider.hop.number);
        for hop in chain.hop_names().into_iter().skip(made) {
            let kind = match (provider.take(), hop.number) {
                (Some(source), number) => {
                    let plan = chain.hops[number - 2].clone();
                    let client = client(plan.session.ca_bundle.as_deref());
                    HopKind::AssumeRole { plan, client, source }
                }
                (None, _) => match &chain.base {
                    Base::WebIdentity(plan) => {
                        HopKind::WebIdentity { plan: plan.clone(), client: client(plan.session.ca_bundle.as_deref()) }
                    }
                    Base::Static(keys) | Base::Environment(keys) => {
                        HopKind::BaseProvider(BaseProvider::Keys(keys.clone()))
                    }
                    Base::Container(endpoint) => HopKind::BaseProvider(BaseProvider::Container(endpoint.clone())),
                    Base::InstanceMetadata(service) => {
                        HopKind::BaseProvider(BaseProvider::InstanceMetadata(service.clone()))
                    }
                    Base::Process(process) => {
                        let is_vended = |other: &ChainPlan| other.hops.is_empty() && other.base == chain.base;
                        let is_vended = chains.iter().any(is_vended);
                        HopKind::BaseProvider(BaseProvider::Process { process: process.clone(), is_vended })
                    }
                },
            };
            let serves = |other: &&ChainPlan| common_steps(other, chain) >= hop.number;
            let profiles: Vec<&str> = chains.iter().filter(serves).map(|chain| chain.profile.as_str()).collect();
            provider = Some(Arc::new(HopProvider {
                hop,
                kind,
                context: context.clone(),
                profiles: profiles.join(","),
                state: Mutex::default(),
            }));
        }
        ends.extend(provider);
    }
    ends
}

/// How many steps two chains have in common, from the base on.
fn common_steps(one: &ChainPlan, other: &ChainPlan) -> usize {
    if one.base != other.base {
        return 0;
    }
    1 + one.hops.iter().zip(&other.hops).take_while(|(one, other)| one == other).count()
}
