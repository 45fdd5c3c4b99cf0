//! Hop providers: one credentials provider for each hop of a chain, with its cached result.
//!
//! Input: a [plan](crate::plan) and the provider of the previous hop. Output: a [`Lease`]. Chains with the same first
//! hops share the providers of these hops, so each STS call is made once. A provider returns its cached lease until a
//! refresh is due, makes one call at a time, and returns the last failure until the back-off is over.

mod assembly;

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::sync::Mutex;

pub(crate) use assembly::hop_providers;

use crate::{
    arn::{RoleArn, SessionName},
    chain::{
        base::{BaseProvider, UNDATED_REFRESH},
        error::{Failure, ProviderError},
        provider::{ObserveExchanges, ProvideCredentials},
    },
    clock::{Clock, Moment, StsClock},
    credentials::Credentials,
    lease::{Lease, Receipt},
    plan::{AssumeRoleHop, HopName, WebIdentityHop},
    schedule::{
        backoff::{self, Random},
        window::Window,
    },
    sts::{AssumeRole, Client, Issued, Tag, recovery::Recovery},
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
}

/// The credentials provider of one hop.
pub(crate) struct HopProvider {
    hop: HopName,
    kind: HopKind,
    context: Context,
    /// Comma-separated names of the profiles whose chains contain this hop, for the log.
    profiles: String,
    state: Mutex<ProviderState>,
}

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
}

/// Result of a successful STS exchange.
struct Exchanged {
    issued: Issued,
    session_name: SessionName,
    claims: Option<Arc<Claims>>,
}

impl ProvideCredentials for HopProvider {
    fn provide(&self) -> Pin<Box<dyn Future<Output = Result<Lease, Failure>> + Send + '_>> {
        Box::pin(async move {
            let mut state = self.state.lock().await;
            let now = self.context.clock.now();
            if let Some(lease) = state.lease.as_ref().filter(|lease| !lease.window.until_refresh(now).is_zero()) {
                return Ok(lease.clone());
            }
            if let Some(failure) = state.failure.as_ref().filter(|failure| !failure.until_retry(now).is_zero()) {
                return Err(failure.clone());
            }
            match self.fetch(&mut state.failures).await {
                Ok(lease) => {
                    state.failure = None;
                    state.failures = 0;
                    state.lease = Some(lease.clone());
                    Ok(lease)
                }
                Err(failure) => {
                    state.failure = Some(failure.clone());
                    Err(failure)
                }
            }
        })
    }

    fn end_backoff(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let now = self.context.clock.now();
            // Many profiles can share this hop. The limit is per hop, so that their requests together cause no more attempts.
            self.state.lock().await.failure.take_if(|failure| now.since(failure.at) >= backoff::MIN_REQUESTED_INTERVAL);
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
    /// new lease.
    async fn discard(&self, rejected: &Lease) {
        let mut state = self.state.lock().await;
        state.lease.take_if(|lease| lease.credentials.access_key_id() == rejected.credentials.access_key_id());
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

    async fn fetch(&self, failures: &mut u32) -> Result<Lease, Failure> {
        let started = self.context.clock.now();
        let attempt = *failures + 1;
        let fetched = match &self.kind {
            HopKind::Base(base) => {
                let sts_time = self.context.sts_clock.time(started);
                let credentials = base.fetch(&*self.context.clock, sts_time).await;
                credentials
                    .map(|credentials| self.base_lease(base, credentials))
                    .map_err(|error| ProviderError::Base { hop: self.hop.clone(), error })
            }
            HopKind::WebIdentity { plan, client } => plan
                .exchange(client, &*self.context.clock, &self.hop, *failures)
                .await
                .map(|(issued, session_name, claims)| Exchanged { issued, session_name, claims: Some(claims) })
                .map(|exchanged| self.lease(exchanged, attempt)),
            HopKind::AssumeRole { plan, client, source } => {
                // Failures of the source are only passed on: the source counts and logs them and applies its back-off.
                let mut signer = source.provide_to_sign().await?;
                let mut exchange = self.assume_role(plan, client, &signer).await;
                if matches!(&exchange, Err(ProviderError::Refused { recovery: Recovery::RenewSource, .. })) {
                    source.discard(&signer).await;
                    signer = source.provide_to_sign().await?;
                    exchange = self.assume_role(plan, client, &signer).await;
                }
                exchange.map(|exchanged| self.lease(exchanged, attempt))
            }
        };
        match fetched {
            Ok(lease) => {
                self.record("ok", started);
                Ok(lease)
            }
            Err(error) => {
                *failures = attempt;
                self.record(error.code(), started);
                Err(self.failure(error, attempt))
            }
        }
    }

    async fn assume_role(
        &self,
        plan: &AssumeRoleHop,
        client: &Client,
        signer: &Lease,
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
        let issued = client
            .assume_role(&plan.session.endpoint, &signer.credentials, &request)
            .await
            .map_err(|error| ProviderError::at(self.hop.clone(), error))?;
        Ok(Exchanged { issued, session_name, claims: signer.claims.clone() })
    }

    /// Reports an attempt to the observer. Access keys need no request, so they are not reported.
    fn record(&self, result: &str, started: Moment) {
        if matches!(self.kind, HopKind::Base(BaseProvider::Keys(_))) {
            return;
        }
        let role_arn = self.hop.role_arn.as_ref().map_or("", RoleArn::as_str);
        let duration = self.context.clock.now().monotonic.saturating_sub(started.monotonic);
        self.context.observer.record_exchange(self.hop.number, role_arn, result, duration);
    }

    fn base_lease(&self, base: &BaseProvider, credentials: Credentials) -> Lease {
        let now = self.context.clock.now();
        let window = match (credentials.expiry(), base) {
            (Some(expiry), _) => {
                let left = expiry.as_time().duration_since(self.context.sts_clock.time(now)).unwrap_or_default();
                Window::new(now, left, self.context.random.unit())
            }
            (None, BaseProvider::Keys(_)) => Window::endless(now),
            (None, _) => Window::undated(now, UNDATED_REFRESH),
        };
        if !matches!(base, BaseProvider::Keys(_)) {
            let expiry = credentials.expiry().map_or("none".to_owned(), |expiry| expiry.to_string());
            tracing::info!(
                profile = %self.profiles,
                hop = self.hop.number,
                source = base.name(),
                expiry,
                "base credentials loaded"
            );
        }
        let session_name = SessionName::mapped_from("");
        Lease { credentials, window, session_name, claims: None, receipt: Receipt::default() }
    }

    fn lease(&self, exchanged: Exchanged, attempt: u32) -> Lease {
        let Exchanged { issued, session_name, claims } = exchanged;
        let lifetime = issued.expiry.as_time().duration_since(issued.issued_at).unwrap_or(Duration::ZERO);
        tracing::info!(
            profile = %self.profiles,
            hop = self.hop.number,
            role_arn = %self.hop.role_arn.as_ref().map_or("", |arn| arn.as_str()),
            session_name = session_name.as_str(),
            expiry = %issued.expiry,
            attempt,
            request_id = issued.request_id.as_deref().unwrap_or("none"),
            packed_policy_size = issued.packed_policy_size,
            "credentials obtained"
        );
        Lease {
            credentials: issued.credentials,
            window: Window::new(self.context.clock.now(), lifetime, self.context.random.unit()),
            session_name,
            claims,
            receipt: Receipt { request_id: issued.request_id, packed_policy_size: issued.packed_policy_size },
        }
    }

    fn failure(&self, error: ProviderError, attempts: u32) -> Failure {
        let retry_after = backoff::delay(attempts, &*self.context.random);
        tracing::warn!(
            profile = %self.profiles,
            hop = self.hop.number,
            role_arn = %self.hop.role_arn.as_ref().map_or("", |arn| arn.as_str()),
            attempt = attempts,
            %error,
            retry_after = format_args!("{:.1}s", retry_after.as_secs_f64()),
            "exchange failed"
        );
        Failure { error, attempts, at: self.context.clock.now(), retry_after }
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
