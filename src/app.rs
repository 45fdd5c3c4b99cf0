//! The wiring: plans become providers, the refresh loop moves their credentials into the store.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinSet};

use crate::{
    arn::NotValid,
    chain::hop_provider::{Context, HopProvider, Trust, hop_providers, label},
    clock::{Clock, StsClock, SystemClock},
    http::tls::{self, CaBundleError, Roots},
    observe::metrics::Metrics,
    plan::ChainPlan,
    refresh,
    schedule::{backoff::SystemRandom, pacer::Pacers},
    store::{Publisher, Store},
    sts::{Client, Proxies},
};

/// Everything that lives as long as the process: clocks, metrics, the store, the STS clients and the refresh tasks.
pub(crate) struct App {
    context: Context,
    metrics: Arc<Metrics>,
    store: Arc<Store>,
    /// The STS client of each CA bundle; `None` stands for the built-in roots.
    clients: Mutex<HashMap<Option<PathBuf>, CachedClient>>,
    refresh_tasks: Mutex<RefreshTasks>,
}

/// An STS client, with what it was built from.
struct CachedClient {
    trust: Trust,
    proxies: Proxies,
}

#[derive(Default)]
struct RefreshTasks {
    tasks: JoinSet<()>,
    /// One task for each profile.
    by_profile: HashMap<String, RefreshTask>,
}

/// A refresh task. Dropping this value stops the task after an exchange in progress.
struct RefreshTask {
    provider: Arc<HopProvider>,
    _stop: oneshot::Sender<()>,
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
        let metrics = Arc::new(Metrics::new(clock.now().wall));
        Self {
            store: Store::new(Arc::clone(&clock)),
            context: Context {
                clock,
                sts_clock: Arc::default(),
                random: Arc::new(SystemRandom),
                observer: Arc::clone(&metrics) as _,
                pacers: Arc::default(),
                deadline: None,
            },
            metrics,
            clients: Mutex::default(),
            refresh_tasks: Mutex::default(),
        }
    }

    /// Makes the first exchange of each hop divide the time of a command between the regions that it asks. Call it before
    /// `providers`.
    pub(crate) fn finish_within(mut self, timeout: Duration) -> Self {
        self.context.deadline = Some((self.clock().now(), timeout));
        self
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

    /// Returns the turns of all STS calls.
    pub(crate) fn pacers(&self) -> &Arc<Pacers> {
        &self.context.pacers
    }

    /// Returns STS's time, learned from its responses.
    pub(crate) fn sts_clock(&self) -> &StsClock {
        &self.context.sts_clock
    }

    /// Builds a provider for each chain, in order. Chains that start alike share providers, and hops that run already and have not
    /// changed keep theirs.
    ///
    /// # Errors
    /// Returns an error if a CA bundle or a proxy cannot be used.
    pub(crate) fn providers(
        &self,
        chains: &[ChainPlan],
        proxies: &Proxies,
    ) -> Result<Vec<Arc<HopProvider>>, SetupError> {
        let mut trust: HashMap<Option<&Path>, Trust> = HashMap::new();
        for bundle in chains.iter().flat_map(ca_bundles) {
            if let Entry::Vacant(vacant) = trust.entry(bundle) {
                vacant.insert(self.trust(proxies, bundle)?);
            }
        }
        let running: Vec<_> =
            lock(&self.refresh_tasks).by_profile.values().map(|task| Arc::clone(&task.provider)).collect();
        let providers = hop_providers(chains, &self.context, &running, |bundle| trust[&bundle].clone());
        if running.is_empty() {
            label(&providers, chains.iter().map(|chain| chain.profile.as_str()));
        }
        Ok(providers)
    }

    /// Returns the STS client and the certificates of `bundle`: the last ones, if neither the certificates nor the proxies have changed.
    fn trust(&self, proxies: &Proxies, bundle: Option<&Path>) -> Result<Trust, SetupError> {
        let roots = tls::roots(bundle)?;
        let mut clients = lock(&self.clients);
        if let Some(cached) = clients.get(&bundle.map(Path::to_owned))
            && cached.proxies == *proxies
            && *cached.trust.roots == roots
        {
            return Ok(cached.trust.clone());
        }
        let client = Arc::new(self.client_trusting(roots.clone(), proxies)?);
        let trust = Trust { client, roots: Arc::new(roots) };
        clients.insert(bundle.map(Path::to_owned), CachedClient { trust: trust.clone(), proxies: proxies.clone() });
        Ok(trust)
    }

    /// Builds an STS client that trusts the certificates in `bundle`, or the built-in roots if `bundle` is `None`.
    ///
    /// # Errors
    /// Returns an error if the bundle or a proxy cannot be used.
    pub(crate) fn client(&self, proxies: &Proxies, bundle: Option<&Path>) -> Result<Client, SetupError> {
        self.client_trusting(tls::roots(bundle)?, proxies)
    }

    fn client_trusting(&self, roots: Roots, proxies: &Proxies) -> Result<Client, SetupError> {
        let tls = tls::trusting(roots);
        Ok(Client::new(tls, proxies, Arc::clone(self.clock()), Arc::clone(&self.context.sts_clock))?)
    }

    /// Runs a refresh task for each provider, which writes to its publisher. A profile whose provider runs already keeps its task.
    /// The tasks of other profiles and of replaced providers stop.
    pub(crate) fn keep_fresh(&self, providers: Vec<Arc<HopProvider>>, publishers: Vec<Publisher>) {
        label(&providers, publishers.iter().map(Publisher::profile));
        let mut running = lock(&self.refresh_tasks);
        while running.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut running.by_profile);
        for (provider, publisher) in providers.into_iter().zip(publishers) {
            let profile = publisher.profile().to_owned();
            let task = match before.remove(&profile) {
                Some(task) if Arc::ptr_eq(&task.provider, &provider) => task,
                replaced => {
                    if replaced.is_some() {
                        publisher.mark_stale();
                    }
                    let (stop, stopped) = oneshot::channel();
                    let (context, provider_of_task) = (self.context.clone(), Arc::clone(&provider));
                    running.tasks.spawn(refresh::keep_fresh(provider_of_task, publisher, context, stopped));
                    RefreshTask { provider, _stop: stop }
                }
            };
            running.by_profile.insert(profile, task);
        }
    }

    /// Makes all tasks refresh the credentials of all hops now. A back-off stays in effect.
    pub(crate) fn refresh_all(&self) {
        for task in lock(&self.refresh_tasks).by_profile.values() {
            task.provider.refresh_chain();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the CA bundles that the calls of a chain use; `None` stands for the built-in roots.
fn ca_bundles(chain: &ChainPlan) -> Vec<Option<&Path>> {
    let hops = chain.hops.iter().map(|hop| hop.session.ca_bundle.as_deref());
    chain.base.ca_bundle().into_iter().chain(hops).collect()
}
