//! Hop providers: one credentials provider for each hop of a chain, with its cached result.
//!
//! Input: a [plan](crate::plan) and the provider of the previous hop. Output: a [`Lease`]. Chains with the same first
//! hops share the providers of these hops, so each STS call is made once. A provider returns its cached lease until a
//! refresh is due, makes one call at a time, and returns the last failure until the back-off is over. A provider outlives a reload
//! of the configuration that does not change its hop.

mod assembly;
mod issue;
mod regions;

use std::{
    pin::Pin,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex, watch};

pub(crate) use assembly::{Trust, hop_providers, label};

use crate::{
    arn::SessionName,
    chain::{
        base::BaseProvider,
        error::{Failure, ProviderError},
        hop_provider::regions::{Caller, Served},
        provider::{ObserveExchanges, ProvideCredentials},
    },
    clock::{Clock, Moment, StsClock},
    lease::Lease,
    plan::{AssumeRoleHop, HopName, WebIdentityHop},
    schedule::{
        backoff::{self, MIN_REQUESTED_INTERVAL, Random},
        pace::MAX_RETRY_AFTER,
        pacer::Pacers,
    },
    sts::{AssumeRole, Client, Endpoint, Issued, StsError, Tag, recovery::Recovery},
    token::Claims,
};

/// Dependencies of every hop provider.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sts_clock: Arc<StsClock>,
    /// Randomness for refresh times and back-off.
    pub(crate) random: Arc<dyn Random>,
    pub(crate) observer: Arc<dyn ObserveExchanges>,
    /// The turns of all STS calls.
    pub(crate) pacers: Arc<Pacers>,
    /// When the command gives up without first credentials: its start and its timeout.
    pub(crate) deadline: Option<(Moment, Duration)>,
}

/// The credentials provider of one hop.
pub(crate) struct HopProvider {
    hop: HopName,
    kind: HopKind,
    context: Context,
    /// Comma-separated names of the profiles whose chains contain this hop, for the log.
    profiles: StdMutex<Arc<str>>,
    /// Number in 0..1 that selects the time of the refresh in the window of each lease. It stays the same, so that the periods of hops
    /// differ: those of pods that started together spread over the whole period within a few refreshes.
    refresh_point: f64,
    /// Locked during an exchange.
    state: Mutex<ProviderState>,
    /// Changes when a refresh is wanted or the cached lease is discarded.
    renewals: watch::Sender<()>,
}

/// How a hop obtains its credentials. Two hops that are equal make the same call, so they share a provider.
enum HopKind {
    WebIdentity { plan: WebIdentityHop, client: Arc<Client> },
    Base(BaseProvider),
    AssumeRole { plan: AssumeRoleHop, client: Arc<Client>, source: Arc<HopProvider> },
}

#[derive(Default)]
struct ProviderState {
    lease: Option<Lease>,
    failure: Option<Failure>,
    /// Number of consecutive failures of this hop's own exchange. Failures of the previous hop do not count.
    failures: u32,
    /// Time since which STS has throttled each attempt of this hop, and the hop has had no credentials.
    throttled_since: Option<Moment>,
    /// When the last attempt started.
    last_attempt: Option<Moment>,
    /// Whether to refresh the lease before its time.
    is_refresh_wanted: bool,
    /// Whether STS rejected the last lease as expired when it signed a request.
    is_lease_rejected: bool,
}

impl ProviderState {
    /// Returns the cached lease unless a refresh is due. After a failure it stays due until an attempt succeeds.
    fn fresh_lease(&self, now: Moment) -> Option<&Lease> {
        let is_due_early = self.failure.is_some() || (self.is_refresh_wanted && self.until_wanted(now).is_zero());
        self.lease.as_ref().filter(|lease| !is_due_early && !lease.window.until_refresh(now).is_zero())
    }

    /// Returns the failure, with what it means for the last lease of this hop. The failure can be one of the previous hop, and then
    /// speaks of another lease.
    fn assessed(&self, failure: Failure) -> Failure {
        Failure { is_lease_void: self.is_lease_rejected && failure.error.is_definite(), ..failure }
    }

    /// Returns the time until a wanted refresh may start.
    fn until_wanted(&self, now: Moment) -> Duration {
        self.last_attempt.map_or(Duration::ZERO, |last| MIN_REQUESTED_INTERVAL.saturating_sub(now.since(last)))
    }
}

/// Result of a successful STS exchange.
struct Exchanged {
    issued: Issued,
    session_name: SessionName,
    claims: Option<Arc<Claims>>,
    /// The STS that issued the credentials.
    endpoint: Endpoint,
    /// The STS that failed before.
    failed_endpoints: Vec<Endpoint>,
}

impl ProvideCredentials for HopProvider {
    fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>> {
        Box::pin(async move {
            let mut state = self.state.lock().await;
            let now = self.context.clock.now();
            if let Some(lease) = state.fresh_lease(now) {
                return Ok(lease.clone());
            }
            if let Some(failure) = state.failure.clone().filter(|failure| !failure.until_retry(now).is_zero()) {
                return Err(state.assessed(failure));
            }
            state.last_attempt = Some(now);
            match self.fetch(&mut state).await {
                Ok(lease) => {
                    *state = ProviderState {
                        lease: Some(lease.clone()),
                        last_attempt: state.last_attempt,
                        ..ProviderState::default()
                    };
                    Ok(lease)
                }
                Err(failure) => {
                    state.failure = Some(failure.clone());
                    Err(state.assessed(failure))
                }
            }
        })
    }

    fn hop(&self) -> &HopName {
        &self.hop
    }

    fn renewals(&self) -> watch::Receiver<()> {
        self.renewals.subscribe()
    }

    fn want_refresh(&self) {
        // The lock is taken during an exchange, and the result of that exchange is as good as that of another one.
        if let Ok(mut state) = self.state.try_lock() {
            state.is_refresh_wanted = true;
        }
    }

    fn until_wanted(&self, now: Moment) -> Option<Duration> {
        match self.state.try_lock() {
            Ok(state) => state.is_refresh_wanted.then(|| state.until_wanted(now)),
            // `provide` waits for the exchange in progress.
            Err(_) => Some(Duration::ZERO),
        }
    }

    fn end_backoff(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let now = self.context.clock.now();
            // Many profiles can share this hop. The limit is per hop, so that their requests together cause no more attempts.
            self.state.lock().await.failure.take_if(|failure| now.since(failure.at) >= MIN_REQUESTED_INTERVAL);
            if let HopKind::AssumeRole { source, .. } = &self.kind {
                source.end_backoff().await;
            }
        })
    }
}

impl HopProvider {
    /// Returns credentials to sign the next hop's call with. If a refresh fails, returns the cached credentials while
    /// they are valid.
    async fn provide_to_sign(&self) -> Result<Lease, Failure> {
        let failure = match self.provide().await {
            Ok(lease) => return Ok(lease),
            Err(failure) => failure,
        };
        let now = self.context.clock.now();
        let state = self.state.lock().await;
        state.lease.clone().filter(|lease| lease.window.is_servable(now)).ok_or(failure)
    }

    /// Discards the cached lease if it still is the one that STS rejected. The next call to `provide` then fetches a
    /// new lease, and the profiles that vend this hop renew their credentials at once.
    async fn discard(&self, rejected: &Lease) {
        let mut state = self.state.lock().await;
        if state.lease.take_if(|lease| lease.credentials.is_same(&rejected.credentials)).is_some() {
            state.is_lease_rejected = true;
            self.renewals.send_replace(());
        }
    }

    /// Refreshes this hop and all earlier ones now. An exchange in progress counts as the refresh, a back-off is waited for, and a
    /// hop is refreshed at most once in 2 s.
    pub(crate) fn refresh_chain(&self) {
        self.want_refresh();
        self.renewals.send_replace(());
        if let HopKind::AssumeRole { source, .. } = &self.kind {
            source.refresh_chain();
        }
    }

    /// Returns the provider of hop `number`, which is this hop or an earlier one.
    pub(crate) fn ancestor(self: &Arc<Self>, number: usize) -> Arc<HopProvider> {
        let mut provider = self;
        while let HopKind::AssumeRole { source, .. } = &provider.kind
            && provider.hop.number > number
        {
            provider = source;
        }
        Arc::clone(provider)
    }

    async fn fetch(&self, state: &mut ProviderState) -> Result<Lease, Failure> {
        let started = self.context.clock.now();
        let attempt = state.failures + 1;
        let mut call_time = Duration::ZERO;
        let fetched = match &self.kind {
            HopKind::Base(base) => {
                let sts_time = self.context.sts_clock.time(started);
                let credentials = base.fetch(&*self.context.clock, sts_time).await;
                credentials
                    .map(|credentials| self.base_lease(base, credentials))
                    .map_err(|error| ProviderError::Base { hop: self.hop.clone(), error })
            }
            HopKind::WebIdentity { plan, client } => {
                let (clock, hop, failures) = (&*self.context.clock, &self.hop, state.failures);
                let call = |endpoint| plan.exchange(endpoint, client, clock, hop, failures);
                let caller = Caller { signer: None, lease: state.lease.as_ref(), call_time: &mut call_time };
                let served = self.ask_regions(&plan.session, caller, call).await;
                served.map(|Served { value: (issued, session_name, claims), endpoint, failed_endpoints }| {
                    let claims = Some(claims);
                    self.lease(Exchanged { issued, session_name, claims, endpoint, failed_endpoints }, attempt)
                })
            }
            HopKind::AssumeRole { plan, client, source } => {
                // Failures of the source are only passed on: the source counts and logs them and applies its back-off.
                let lease = state.lease.as_ref();
                let mut signer = source.provide_to_sign().await?;
                let caller = Caller { signer: Some(&signer), lease, call_time: &mut call_time };
                let mut exchange = self.assume_role(plan, client, &signer, caller).await;
                if matches!(&exchange, Err(ProviderError::Refused { recovery: Recovery::RenewSource, .. })) {
                    source.discard(&signer).await;
                    signer = source.provide_to_sign().await?;
                    let caller = Caller { signer: Some(&signer), lease, call_time: &mut call_time };
                    exchange = self.assume_role(plan, client, &signer, caller).await;
                }
                exchange.map(|exchanged| self.lease(exchanged, attempt))
            }
        };
        // The time in which a call waits for its turn is not part of it.
        let duration = match &self.kind {
            HopKind::Base(_) => self.context.clock.now().since(started),
            _ => call_time,
        };
        match fetched {
            Ok(lease) => {
                self.record("ok", duration);
                Ok(lease)
            }
            Err(error) => {
                state.failures = attempt;
                self.record(error.code(), duration);
                Err(self.failure(error, state))
            }
        }
    }

    async fn assume_role(
        &self,
        plan: &AssumeRoleHop,
        client: &Client,
        signer: &Lease,
        caller: Caller<'_>,
    ) -> Result<Exchanged, ProviderError> {
        let session_name = plan.session.session_name.clone().unwrap_or_else(|| signer.session_name.clone());
        let mut tags = plan.tags.clone();
        if plan.pod_tags {
            tags.extend(signer.claims.as_deref().map(pod_tags).unwrap_or_default());
        }
        let request = AssumeRole {
            session: plan.session.parameters(&session_name),
            external_id: plan.external_id.as_ref(),
            tags: &tags,
            transitive_tag_keys: &plan.transitive_tag_keys,
            source_identity: plan.source_identity.as_deref(),
        };
        let (hop, request) = (&self.hop, &request);
        let call = |endpoint| async move {
            let issued = client.assume_role(endpoint, &signer.credentials, request).await;
            issued.map_err(|error| ProviderError::at(hop.clone(), error))
        };
        let served = self.ask_regions(&plan.session, caller, call).await?;
        let Served { value: issued, endpoint, failed_endpoints } = served;
        Ok(Exchanged { issued, session_name, claims: signer.claims.clone(), endpoint, failed_endpoints })
    }

    /// Reports an attempt to the observer. Access keys need no request, so they are not reported.
    fn record(&self, result: &str, duration: Duration) {
        if matches!(self.kind, HopKind::Base(BaseProvider::Keys(_))) {
            return;
        }
        self.context.observer.record_exchange(self.hop.number, self.hop.role(), result, duration);
    }

    fn profiles(&self) -> Arc<str> {
        Arc::clone(&self.profiles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn failure(&self, error: ProviderError, state: &mut ProviderState) -> Failure {
        let (attempts, at) = (state.failures, self.context.clock.now());
        let servable = state.lease.as_ref().map_or(Duration::ZERO, |lease| lease.window.servable(at));
        let random = &*self.context.random;
        let of_sts = error.at_sts().map(|(_, error)| error);
        // Hops that still have credentials leave the next turns to those that have none.
        let retry_after = if servable.is_zero() && of_sts.is_some_and(StsError::is_throttling) {
            let since = *state.throttled_since.get_or_insert(at);
            backoff::throttled(at.since(since), random)
        } else {
            state.throttled_since = None;
            backoff::delay(attempts, servable, random)
        };
        let wanted = of_sts.and_then(StsError::retry_after).unwrap_or_default();
        let retry_after = retry_after.max(wanted.min(MAX_RETRY_AFTER));
        tracing::warn!(
            profile = %self.profiles(),
            hop = self.hop.number,
            role_arn = %self.hop.role(),
            attempt = attempts,
            %error,
            retry_after = format_args!("{:.1}s", retry_after.as_secs_f64()),
            "exchange failed"
        );
        Failure { error, attempts, at, retry_after, is_lease_void: false }
    }
}

/// Returns the session tags of EKS Pod Identity whose values are in the token's claims.
/// [Session tags](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html).
fn pod_tags(claims: &Claims) -> Vec<Tag> {
    let Some(kubernetes) = &claims.kubernetes else { return Vec::new() };
    let pod = kubernetes.pod.as_ref();
    let service_account = kubernetes.service_account.as_ref();
    [
        ("kubernetes-namespace", kubernetes.namespace.as_ref()),
        ("kubernetes-service-account", service_account.map(|account| &account.name)),
        ("kubernetes-pod-name", pod.map(|pod| &pod.name)),
        ("kubernetes-pod-uid", pod.and_then(|pod| pod.uid.as_ref())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(Tag { key: key.to_owned(), value: value?.clone() }))
    .collect()
}
