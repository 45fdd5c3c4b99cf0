//! The wiring: plans become providers, the refresh loop moves their credentials into the store.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use crate::{
    arn::NotValid,
    chain::hop_provider::{Context, HopProvider, hop_providers},
    clock::{Clock, StsClock, SystemClock},
    http::tls::{self, CaBundleError},
    observe::metrics::Metrics,
    plan::ChainPlan,
    refresh,
    schedule::backoff::SystemRandom,
    store::{Publisher, Store},
    sts::{Client, Proxies},
};

/// Everything that lives as long as the process: clocks, metrics, the store and the refresh tasks.
pub(crate) struct App {
    context: Context,
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    refresh_tasks: Mutex<JoinSet<()>>,
}

/// An STS client cannot be built from the plans.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The CA bundle cannot be used.
    #[error(transparent)]
    CaBundle(#[from] CaBundleError),
    /// A proxy setting cannot be used.
    #[error(transparent)]
    Proxy(#[from] NotValid),
}

impl App {
    /// Creates an application that uses the system's clock and random generator.
    pub(crate) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics: Arc<Metrics> = Arc::default();
        Self {
            store: Store::new(Arc::clone(&clock)),
            context: Context {
                clock,
                sts_clock: Arc::default(),
                random: Arc::new(SystemRandom),
                observer: Arc::clone(&metrics) as _,
            },
            metrics,
            refresh_tasks: Mutex::default(),
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.context.clock
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Returns STS's time, learned from its responses.
    pub(crate) fn sts_clock(&self) -> &StsClock {
        &self.context.sts_clock
    }

    /// Builds a provider for each chain, in order. Chains that start alike share providers.
    ///
    /// # Errors
    /// Returns an error if a CA bundle or a proxy cannot be used.
    pub(crate) fn providers(
        &self,
        chains: &[ChainPlan],
        proxies: &Proxies,
    ) -> Result<Vec<Arc<HopProvider>>, SetupError> {
        let mut clients: HashMap<Option<&Path>, Arc<Client>> = HashMap::new();
        for bundle in chains.iter().flat_map(ca_bundles) {
            if let Entry::Vacant(vacant) = clients.entry(bundle) {
                vacant.insert(Arc::new(self.client(proxies, bundle)?));
            }
        }
        Ok(hop_providers(chains, &self.context, |bundle| Arc::clone(&clients[&bundle])))
    }

    /// Builds an STS client that trusts the certificates in `bundle`, or the built-in roots if `bundle` is `None`.
    ///
    /// # Errors
    /// Returns an error if the bundle or a proxy cannot be used.
    pub(crate) fn client(&self, proxies: &Proxies, bundle: Option<&Path>) -> Result<Client, SetupError> {
        let roots = tls::client_config(bundle)?;
        Ok(Client::new(roots, proxies, Arc::clone(self.clock()), Arc::clone(&self.context.sts_clock))?)
    }

    /// Starts a refresh task for each provider, which writes to its publisher, and stops the tasks of the previous set.
    pub(crate) fn keep_fresh(&self, providers: Vec<Arc<HopProvider>>, publishers: Vec<Publisher>) {
        let mut tasks = self.refresh_tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropping the set aborts its tasks.
        *tasks = JoinSet::new();
        for (provider, publisher) in providers.into_iter().zip(publishers) {
            tasks.spawn(refresh::keep_fresh(provider, publisher, Arc::clone(self.clock())));
        }
    }
}

/// Returns the CA bundles that the calls of a chain use; `None` stands for the built-in roots.
fn ca_bundles(chain: &ChainPlan) -> Vec<Option<&Path>> {
    let hops = chain.hops.iter().map(|hop| hop.session.ca_bundle.as_deref());
    chain.base.ca_bundle().into_iter().chain(hops).collect()
}
