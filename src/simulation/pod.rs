//! A process of credvend: the chains of its profiles, each with its refresh loop and an application.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    PodRecord, Simulation,
    executor::VirtualClock,
    lock,
    service::{SESSION, url},
};
use crate::{
    arn::{Region, RoleArn},
    chain::{
        hop_provider::{Context, Trust, hop_providers},
        provider::{ObserveExchanges, ProvideCredentials},
    },
    clock::{Clock, StsClock},
    plan::{AssumeRoleHop, Base, ChainPlan, SessionPlan, WebIdentityHop},
    refresh,
    schedule::{backoff::Random, window::EXPIRY_MARGIN},
    store::{Profile, Store},
    sts::{Client, Endpoint},
    token::TokenFile,
};

/// The configuration of a process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Number of hops of each chain, the exchange of the token included.
    pub hops: usize,
    /// The regions whose STS is asked, in order.
    pub regions: Vec<String>,
}

/// A running process. Dropping this value ends it after an exchange in progress.
pub struct Pod {
    _stop: Vec<oneshot::Sender<()>>,
}

impl Simulation {
    /// Starts a process now. `numbers` are those of its profiles in the record, which have no credentials from now on.
    pub fn start(&mut self, process: &Process, numbers: &[usize]) -> Pod {
        let seed = self.seeds.u64(..);
        let clock: Arc<VirtualClock> = Arc::clone(&self.clock);
        let sts_clock: Arc<StsClock> = Arc::default();
        let client = Client::simulated(Arc::clone(&self.regions) as _, Arc::clone(&clock) as _, Arc::clone(&sts_clock));
        let trust = Trust { client: Arc::new(client), roots: Arc::clone(&self.roots) };
        let record = Arc::clone(&self.record);
        numbers.iter().for_each(|number| lock(&record).restarted(*number));
        let context = Context {
            clock: Arc::clone(&clock) as _,
            sts_clock,
            random: Arc::new(SeededRandom(Mutex::new(fastrand::Rng::with_seed(seed)))),
            observer: Arc::new(Observer { numbers: numbers.to_vec(), record, clock: Arc::clone(&clock) }),
            pacers: Arc::default(),
            deadline: None,
        };
        let chains: Vec<ChainPlan> = (0..numbers.len()).map(|index| chain(process, index, &self.token_file)).collect();
        let providers = hop_providers(&chains, &context, &[], |_| trust.clone());
        let store = Store::new(Arc::clone(&clock) as _);
        let publishers = store.set_profiles(&chains);
        let mut pod = Pod { _stop: Vec::new() };
        for (provider, publisher) in providers.into_iter().zip(publishers) {
            let (stop, stopped) = oneshot::channel();
            pod._stop.push(stop);
            let provider = provider as Arc<dyn ProvideCredentials>;
            self.executor.spawn(refresh::keep_fresh(provider, publisher, context.clone(), stopped));
        }
        for profile in store.profiles().iter() {
            let (stop, stopped) = oneshot::channel();
            pod._stop.push(stop);
            let application = use_credentials(Arc::clone(profile), Arc::clone(&clock));
            self.executor.spawn(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = application => {}
                }
            });
        }
        pod
    }
}

/// An application. It starts when there are credentials, as with the startup probe of the manifests. Once they have expired, its
/// requests ask for new ones.
async fn use_credentials(profile: Arc<Profile>, clock: Arc<VirtualClock>) {
    const REQUESTS: Duration = Duration::from_secs(5);
    let mut lease = profile.servable_soon(&*clock, Duration::MAX).await;
    loop {
        let pause = match &lease {
            Some(lease) => lease.window.servable(clock.now()),
            None => {
                profile.request_refresh();
                REQUESTS
            }
        };
        clock.sleep(pause).await;
        lease = profile.servable(clock.now());
    }
}

fn chain(process: &Process, index: usize, token_file: &std::path::Path) -> ChainPlan {
    // Profiles share all hops but the last.
    let session = |hop: usize| {
        let name = if hop == process.hops { format!("{LAST_HOP}{index}") } else { format!("hop-{hop}") };
        let mut endpoints =
            process.regions.iter().map(|region| Endpoint { url: url(region), signing_region: region.clone() });
        SessionPlan {
            role_arn: RoleArn::parse(&format!("arn:aws:iam::111111111111:role/{name}")).expect("a role ARN"),
            session_name: None,
            duration: None,
            policy: None,
            policy_arns: Vec::new(),
            endpoint: endpoints.next().expect("a region"),
            fallback_endpoints: endpoints.collect(),
            ca_bundle: None,
        }
    };
    let hop = |number| AssumeRoleHop {
        session: session(number),
        external_id: None,
        tags: Vec::new(),
        pod_tags: false,
        transitive_tag_keys: Vec::new(),
        source_identity: None,
    };
    ChainPlan {
        profile: format!("profile-{index}"),
        base: Base::WebIdentity(WebIdentityHop { session: session(1), token_file: TokenFile::new(token_file) }),
        hops: (2..=process.hops).map(hop).collect(),
        region: process.regions.first().and_then(|region| Region::parse(region).ok()),
    }
}

struct SeededRandom(Mutex<fastrand::Rng>);

impl Random for SeededRandom {
    fn unit(&self) -> f64 {
        lock(&self.0).f64()
    }
}

/// Start of the name of the last hop's role, before the index of the profile.
const LAST_HOP: &str = "profile-";

/// Records when the last hop of a profile obtains credentials.
struct Observer {
    /// The numbers of the profiles in the record.
    numbers: Vec<usize>,
    record: Arc<Mutex<PodRecord>>,
    clock: Arc<VirtualClock>,
}

impl ObserveExchanges for Observer {
    fn record_exchange(&self, _hop: usize, role_arn: &str, result: &str, _duration: Duration) {
        let index = role_arn.split_once(LAST_HOP).and_then(|(_, index)| index.parse::<usize>().ok());
        if let Some(number) = index.and_then(|index| self.numbers.get(index))
            && result == "ok"
        {
            let now = self.clock.now().monotonic;
            lock(&self.record).obtained(*number, now, now + SESSION - EXPIRY_MARGIN);
        }
    }

    fn record_delayed_call(&self, _region: &str) {}

    fn record_sts_call(&self, _region: &str, _result: &str) {}
}
