//! Builds the hop providers of all chains. Chains that start with the same hops share the providers of these hops.

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

/// Returns the provider of the last hop of each chain, in the order of `chains`. `client` returns the STS client for a
/// CA bundle.
pub(crate) fn hop_providers(
    chains: &[ChainPlan],
    context: &Context,
    mut client: impl FnMut(Option<&Path>) -> Arc<Client>,
) -> Vec<Arc<HopProvider>> {
    let mut last_hops: Vec<Arc<HopProvider>> = Vec::with_capacity(chains.len());
    for (index, chain) in chains.iter().enumerate() {
        // Reuse the providers of the earlier chain that has the most hops in common with this one.
        let shared = (0..index).map(|earlier| (common_hops(&chains[earlier], chain), earlier)).max();
        let mut provider =
            shared.filter(|(hops, _)| *hops > 0).map(|(hops, earlier)| last_hops[earlier].ancestor(hops));
        let reused = provider.as_ref().map_or(0, |provider| provider.hop.number);
        for hop in chain.hop_names().into_iter().skip(reused) {
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
                    Base::Static(keys) | Base::Environment(keys) => HopKind::Base(BaseProvider::Keys(keys.clone())),
                    Base::Container(endpoint) => HopKind::Base(BaseProvider::Container(endpoint.clone())),
                    Base::InstanceMetadata(service) => HopKind::Base(BaseProvider::InstanceMetadata(service.clone())),
                    Base::Process(process) => {
                        let is_vended = |other: &ChainPlan| other.hops.is_empty() && other.base == chain.base;
                        let is_vended = chains.iter().any(is_vended);
                        HopKind::Base(BaseProvider::Process { process: process.clone(), is_vended })
                    }
                },
            };
            let contains_hop = |other: &&ChainPlan| common_hops(other, chain) >= hop.number;
            let profiles: Vec<&str> = chains.iter().filter(contains_hop).map(|chain| chain.profile.as_str()).collect();
            provider = Some(Arc::new(HopProvider {
                hop,
                kind,
                context: context.clone(),
                profiles: profiles.join(","),
                state: Mutex::default(),
            }));
        }
        last_hops.extend(provider);
    }
    last_hops
}

/// Returns the number of hops that two chains have in common, counted from the base.
fn common_hops(one: &ChainPlan, other: &ChainPlan) -> usize {
    if one.base != other.base {
        return 0;
    }
    1 + one.hops.iter().zip(&other.hops).take_while(|(one, other)| one == other).count()
}
