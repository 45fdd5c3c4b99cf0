//! Builds the hop providers of all chains. Chains that start with the same hops share the providers of these hops, and hops that a
//! reload did not change keep theirs: their cached leases, their back-off and an exchange in progress.

use std::{
    path::Path,
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use tokio::sync::{Mutex, watch};

use crate::{
    chain::{
        base::BaseProvider,
        hop_provider::{Context, HopKind, HopProvider},
    },
    http::tls::Roots,
    plan::{Base, ChainPlan},
    sts::Client,
};

/// The STS client for a CA bundle, and the certificates in the bundle.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) client: Arc<Client>,
    pub(crate) roots: Arc<Roots>,
}

/// Returns the provider of the last hop of each chain, in the order of `chains`. `trust` returns the client and the certificates of a CA
/// bundle. `running` are the last hops of the chains that run already; their providers are reused.
pub(crate) fn hop_providers(
    chains: &[ChainPlan],
    context: &Context,
    running: &[Arc<HopProvider>],
    mut trust: impl FnMut(Option<&Path>) -> Trust,
) -> Vec<Arc<HopProvider>> {
    let mut known: Vec<_> = running.iter().flat_map(|last| last.chain()).collect();
    let mut last_hops = Vec::with_capacity(chains.len());
    for chain in chains {
        let mut provider: Option<Arc<HopProvider>> = None;
        for hop in chain.hop_names() {
            let kind = match provider.take() {
                None => base(chain, chains, &mut trust),
                Some(source) => {
                    let plan = chain.hops[hop.number - 2].clone();
                    let client = trust(plan.session.ca_bundle.as_deref()).client;
                    HopKind::AssumeRole { plan, client, source }
                }
            };
            let existing = known.iter().find(|known| known.kind.makes_same_call(&kind)).cloned();
            provider = Some(existing.unwrap_or_else(|| {
                let provider = Arc::new(HopProvider {
                    hop,
                    kind,
                    context: context.clone(),
                    refresh_point: context.random.unit(),
                    profiles: StdMutex::new("".into()),
                    state: Mutex::default(),
                    renewals: watch::Sender::default(),
                });
                known.push(Arc::clone(&provider));
                provider
            }));
        }
        last_hops.extend(provider);
    }
    last_hops
}

fn base(chain: &ChainPlan, chains: &[ChainPlan], trust: &mut impl FnMut(Option<&Path>) -> Trust) -> HopKind {
    HopKind::Base(match &chain.base {
        Base::WebIdentity(plan) => {
            return HopKind::WebIdentity {
                plan: plan.clone(),
                client: trust(plan.session.ca_bundle.as_deref()).client,
            };
        }
        Base::Static(keys) | Base::Environment(keys) => BaseProvider::Keys(keys.clone()),
        Base::Container(endpoint) => BaseProvider::Container {
            endpoint: endpoint.clone(),
            roots: chain.base.ca_bundle().map(|bundle| trust(bundle).roots),
        },
        Base::InstanceMetadata(service) => BaseProvider::InstanceMetadata(service.clone()),
        Base::Process(process) => {
            let is_vended = chains.iter().any(|other| other.hops.is_empty() && other.base == chain.base);
            BaseProvider::Process { process: process.clone(), is_vended }
        }
    })
}

/// Names the profiles of each hop, for the log. `last_hops` are the last hops of the profiles in `names`.
pub(crate) fn label<'a>(last_hops: &[Arc<HopProvider>], names: impl Iterator<Item = &'a str> + Clone) {
    for hop in last_hops.iter().flat_map(|last| last.chain()) {
        let contains_hop = |last: &Arc<HopProvider>| last.chain().any(|other| Arc::ptr_eq(&other, &hop));
        let profiles = last_hops.iter().zip(names.clone()).filter(|(last, _)| contains_hop(last)).map(|(_, name)| name);
        let profiles = profiles.collect::<Vec<_>>().join(",");
        *hop.profiles.lock().unwrap_or_else(PoisonError::into_inner) = profiles.into();
    }
}

impl HopKind {
    /// Returns true if both hops send the same request to the same place with the same trust, so that one call serves both.
    fn makes_same_call(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::WebIdentity { plan, client }, Self::WebIdentity { plan: other_plan, client: other_client }) => {
                plan == other_plan && Arc::ptr_eq(client, other_client)
            }
            (Self::Base(base), Self::Base(other)) => base == other,
            (
                Self::AssumeRole { plan, client, source },
                Self::AssumeRole { plan: other_plan, client: other_client, source: other_source },
            ) => plan == other_plan && Arc::ptr_eq(client, other_client) && Arc::ptr_eq(source, other_source),
            _ => false,
        }
    }
}

impl HopProvider {
    /// Returns the providers of the whole chain, from this hop back to the base.
    fn chain(self: &Arc<Self>) -> impl Iterator<Item = Arc<HopProvider>> + use<> {
        std::iter::successors(Some(Arc::clone(self)), |provider| match &provider.kind {
            HopKind::AssumeRole { source, .. } => Some(Arc::clone(source)),
            _ => None,
        })
    }
}
