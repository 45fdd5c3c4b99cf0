//! Links: a chain's steps in execution, each with the credentials that it last gave.
//!
//! Chains with a common beginning hold the same links, so the calls of that beginning are made once. A link is asked for
//! credentials, never told to fetch them: it answers from memory until they are due, makes one call at a time, and after a
//! failure answers with that failure until its back-off is over, however many ask.

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

/// What every link is given.
#[derive(Clone)]
pub(crate) struct Context {
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// STS's time.
    pub(crate) sts_clock: Arc<StsClock>,
    /// Chance.
    pub(crate) random: Arc<dyn Random>,
    /// Receives the outcome of each exchange.
    pub(crate) observer: Arc<dyn ObserveExchanges>,
}

/// One step in execution.
pub(crate) struct HopProvider {
    hop: HopName,
    kind: HopKind,
    context: Context,
    /// The vended profiles that it serves; for the log.
    profiles: String,
    state: Mutex<ProviderState>,
}

enum HopKind {
    WebIdentity { plan: WebIdentityHop, client: Arc<Client> },
    BaseProvider(BaseProvider),
    AssumeRole { plan: AssumeRoleHop, client: Arc<Client>, source: Arc<HopProvider> },
}

#[derive(Default)]
struct ProviderState {
    lease: Option<Lease>,
    failure: Option<Failure>,
    /// How often in a row this link's own exchange failed; a source's failures are the source's.
    failures: u32,
}

/// A step's outcome before it gets its window.
struct Assumed {
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
}

impl HopProvider {
    /// Credentials to sign with: those in hand where renewing them failed.
    async fn provide_to_sign(&self) -> Result<Lease, Failure> {
        let failure = match self.provide().await {
            Ok(lease) => return Ok(lease),
            Err(failure) => failure,
        };
        let now = self.context.clock.now();
        let state = self.state.lock().await;
        state.lease.clone().filter(|lease| lease.window.is_servable(now)).ok_or(failure)
    }

    /// Drops credentials that STS no longer takes, so that the next who asks gets others; what came in their place stays.
    async fn drop_lease(&self, refused: &Lease) {
        let mut state = self.state.lock().await;
        let is_refused = |lease: &mut Lease| lease.credentials.access_key_id() == refused.credentials.access_key_id();
        state.lease.take_if(is_refused);
    }

    /// The link at the step with this number, at or before this one.
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
        let begun = self.context.clock.now();
        let attempt = *failures + 1;
        let fetched = match &self.kind {
            HopKind::BaseProvider(source) => {
                let sts_time = self.context.sts_clock.time(begun);
                let credentials = source.fetch(&*self.context.clock, sts_time).await;
                credentials
                    .map(|credentials| self.lease_of_source(source, credentials))
                    .map_err(|error| ProviderError::Base { hop: self.hop.clone(), error })
            }
            HopKind::WebIdentity { plan, client } => plan
                .exchange(client, &*self.context.clock, &self.hop, *failures)
                .await
                .map(|(issued, session_name, claims)| Assumed { issued, session_name, claims: Some(claims) })
                .map(|assumed| self.lease(assumed, attempt)),
            HopKind::AssumeRole { plan, client, source } => {
                // A source's failure is its own: it was counted and logged there, and its back-off is waited for.
                let mut signer = source.provide_to_sign().await?;
                let mut assumed = self.assume_role(plan, client, &signer).await;
                if matches!(&assumed, Err(ProviderError::Refused { recovery: Recovery::RenewSource, .. })) {
                    source.drop_lease(&signer).await;
                    signer = source.provide_to_sign().await?;
                    assumed = self.assume_role(plan, client, &signer).await;
                }
                assumed.map(|assumed| self.lease(assumed, attempt))
            }
        };
        match fetched {
            Ok(lease) => {
                self.count("ok", begun);
                Ok(lease)
            }
            Err(error) => {
                *failures = attempt;
                self.count(error.code(), begun);
                Err(self.failure(error, attempt))
            }
        }
    }

    async fn assume_role(
        &self,
        plan: &AssumeRoleHop,
        client: &Client,
        signer: &Lease,
    ) -> Result<Assumed, ProviderError> {
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
        Ok(Assumed { issued, session_name, claims: signer.claims.clone() })
    }

    /// Counts what asked somebody; keys are just there.
    fn count(&self, result: &str, begun: Moment) {
        if matches!(self.kind, HopKind::BaseProvider(BaseProvider::Keys(_))) {
            return;
        }
        let role_arn = self.hop.role_arn.as_ref().map_or("", RoleArn::as_str);
        let took = self.context.clock.now().monotonic.saturating_sub(begun.monotonic);
        self.context.observer.exchanged(self.hop.number, role_arn, result, took);
    }

    fn lease_of_source(&self, source: &BaseProvider, credentials: Credentials) -> Lease {
        let now = self.context.clock.now();
        let window = match (credentials.expiry(), source) {
            (Some(expiry), _) => {
                let left = expiry.as_time().duration_since(self.context.sts_clock.time(now)).unwrap_or_default();
                Window::new(now, left, self.context.random.unit())
            }
            (None, BaseProvider::Keys(_)) => Window::endless(now),
            (None, _) => Window::undated(now, UNDATED_REFRESH),
        };
        if !matches!(source, BaseProvider::Keys(_)) {
            let expiry = credentials.expiry().map_or("none".to_owned(), |expiry| expiry.to_string());
            tracing::info!(profile = %self.profiles, hop = self.hop.number, source = source.name(), expiry, "fetched");
        }
        let session_name = SessionName::mapped_from("");
        Lease { credentials, window, session_name, claims: None, receipt: Receipt::default() }
    }

    fn lease(&self, assumed: Assumed, attempt: u32) -> Lease {
        let Assumed { issued, session_name, claims } = assumed;
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
            "exchanged"
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

/// The tags that EKS Pod Identity sets, as far as the token's claims hold them.
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
