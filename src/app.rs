//! The wiring: chains into links, links into the store, the store into sinks. Nothing else knows more than its neighbour.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use crate::{
    chain::{
        Chain,
        link::{Ambient, Link, links},
    },
    clock::{Clock, StsClock, SystemClock},
    config::{Identity, Mistakes},
    metrics::Metrics,
    refresh::{self, backoff::SystemRandom},
    store::Store,
    sts::Client,
    tls,
};

/// What lives as long as the process: clocks and the store, and the tasks that keep the latter fresh.
pub struct App {
    ambient: Ambient,
    store: Arc<Store>,
    refreshing: Mutex<JoinSet<()>>,
}

impl App {
    /// On the system's clock and its randomness.
    pub fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            store: Store::new(Arc::clone(&clock)),
            ambient: Ambient {
                clock,
                sts_clock: Arc::default(),
                random: Arc::new(SystemRandom),
                metrics: Arc::default(),
            },
            refreshing: Mutex::default(),
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ambient.clock
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.ambient.metrics
    }

    /// Where credentials are found.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Links of an identity's chains, ready to be asked.
    ///
    /// # Errors
    /// Where a CA bundle or a proxy cannot be used.
    pub fn links(&self, identity: &Identity) -> Result<Vec<Arc<Link>>, Mistakes> {
        let mut clients: HashMap<Option<&Path>, Arc<Client>> = HashMap::new();
        for bundle in identity.chains.iter().flat_map(ca_bundles) {
            if let Entry::Vacant(vacant) = clients.entry(bundle) {
                vacant.insert(Arc::new(self.client(identity, bundle)?));
            }
        }
        Ok(links(&identity.chains, &self.ambient, |bundle| Arc::clone(&clients[&bundle])))
    }

    /// A client of STS that trusts the roots of a bundle, or the built-in ones.
    ///
    /// # Errors
    /// Where the bundle or a proxy cannot be used.
    pub fn client(&self, identity: &Identity, bundle: Option<&Path>) -> Result<Client, Mistakes> {
        let roots = tls::client_config(bundle).map_err(|error| Mistakes::one(error.to_string()))?;
        Client::new(roots, &identity.proxies, Arc::clone(self.clock()), Arc::clone(&self.ambient.sts_clock))
            .map_err(|error| Mistakes::one(error.to_string()))
    }

    /// STS's time, as far as its answers told it.
    pub fn sts_clock(&self) -> &StsClock {
        &self.ambient.sts_clock
    }

    /// Keeps these chains' credentials fresh in the store, in place of those before. What the store holds of a profile that
    /// stays is served on until the new chain gives something.
    pub fn keep_fresh(&self, chains: &[Chain], links: Vec<Arc<Link>>) {
        let mut refreshing = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        // The tasks of the old set end with it.
        *refreshing = JoinSet::new();
        for (link, publisher) in links.into_iter().zip(self.store.set_profiles(chains)) {
            refreshing.spawn(refresh::keep_fresh(link, publisher, Arc::clone(self.clock())));
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// The bundles that a chain's calls trust; `None` for the built-in roots.
fn ca_bundles(chain: &Chain) -> Vec<Option<&Path>> {
    let hops = chain.hops.iter().map(|hop| hop.session.ca_bundle.as_deref());
    chain.base.ca_bundle().into_iter().chain(hops).collect()
}
