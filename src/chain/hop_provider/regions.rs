//! Asks the STS of the hop's region and, if it fails, the STS of each fallback region, until one serves the request.
//!
//! STS fails if it cannot be reached, times out, throttles the request, or returns a server error or no valid response. Any other
//! error response is the same in every region, so it ends the attempt. Each attempt asks each region at most once, and begins with
//! the region of the hop again; the back-off follows when all have failed. So a region gets no more calls than without fallback
//! regions.

use std::time::Duration;

use super::HopProvider;
use crate::{
    chain::error::ProviderError,
    clock::Moment,
    lease::Lease,
    plan::SessionPlan,
    schedule::pacer::Pacer,
    sts::{Endpoint, StsError},
};

/// The age of a signer's credentials up to which the signer belongs to the same refresh of the chain.
const SAME_REFRESH: Duration = Duration::from_secs(5);

/// The longest wait for a turn at an STS that throttles, if another region can be asked.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// On whose behalf calls are made.
pub(super) struct Caller<'a> {
    /// The lease that signs the calls; `None` for calls that a token authenticates.
    pub(super) signer: Option<&'a Lease>,
    /// The lease to be replaced, if there is one.
    pub(super) lease: Option<&'a Lease>,
    /// The time that the calls took, without the wait for their turn.
    pub(super) call_time: &'a mut Duration,
}

/// The result of a call, and the STS that served it.
pub(super) struct Served<T> {
    pub(super) value: T,
    pub(super) endpoint: Endpoint,
    /// The STS that failed before, in this call or in that of the signer.
    pub(super) failed_endpoints: Vec<Endpoint>,
}

impl HopProvider {
    /// Makes `call` at one STS after the other until it succeeds. If an STS has just failed for the credentials of the signer, asks it
    /// last: each hop of a chain would wait for the same timeout.
    pub(super) async fn ask_regions<'a, T, F: Future<Output = Result<T, ProviderError>>>(
        &self,
        session: &'a SessionPlan,
        caller: Caller<'_>,
        call: impl Fn(&'a Endpoint) -> F,
    ) -> Result<Served<T>, ProviderError> {
        let Caller { signer, lease, call_time } = caller;
        let clock = &*self.context.clock;
        let now = clock.now();
        let account_id =
            signer.map_or(session.role_arn.account_id(), |signer| signer.credentials.account_id().unwrap_or_default());
        let needed = now.monotonic.saturating_add(lease.map_or(Duration::ZERO, |lease| lease.window.servable(now)));
        let signer = signer.filter(|signer| signer.window.age(now) < SAME_REFRESH);
        let just_failed = signer.map_or(&[][..], |signer| &signer.receipt.failed_endpoints);
        let mut endpoints: Vec<&Endpoint> = session.endpoints().collect();
        endpoints.sort_by_key(|endpoint| just_failed.contains(endpoint));

        let mut failures: Vec<(&Endpoint, ProviderError)> = Vec::new();
        for (index, endpoint) in endpoints.iter().copied().enumerate() {
            let next = endpoints.get(index + 1);
            let is_home = *endpoint == session.endpoint;
            let pacer = self.context.pacers.of(account_id, endpoint);
            let turn = async {
                let wait = pacer.expected_wait(clock.now());
                if next.is_some() && wait > MAX_WAIT {
                    let reason = format!("it throttles the calls, and the next turn is in {:.0} s", wait.as_secs_f64());
                    return Err(ProviderError::at(self.hop.clone(), StsError::not_reached(endpoint, reason)));
                }
                if pacer.turn(clock, needed).await {
                    self.context.observer.record_delayed_call(endpoint.region());
                }
                Ok(())
            };
            let called = match turn.await {
                Ok(()) => {
                    let limit = next.and_then(|_| self.share_of_time(lease.is_none(), endpoints.len() - index));
                    let sent = clock.now();
                    let called = self.call_within(limit, endpoint, call(endpoint)).await;
                    *call_time += clock.now().since(sent);
                    record(&pacer, sent, clock.now(), &called);
                    called
                }
                Err(error) => Err(error),
            };
            let error = match called {
                Ok(value) => {
                    let has_failed = |other: &Endpoint| {
                        other != endpoint
                            && (just_failed.contains(other) || failures.iter().any(|(failed, _)| *failed == other))
                    };
                    let mut failed_endpoints: Vec<Endpoint> = Vec::new();
                    if !is_home {
                        failed_endpoints.extend(endpoints.iter().copied().filter(|other| has_failed(other)).cloned());
                    }
                    return Ok(Served { value, endpoint: endpoint.clone(), failed_endpoints });
                }
                Err(error) => error,
            };
            let is_regional = |error: &StsError| error.is_regional() || (!is_home && error.is_region_disabled());
            if !error.at_sts().is_some_and(|(_, error)| is_regional(error)) {
                let region = endpoint.region();
                let note = || format!("the STS of {region} refused the request, after other regions had failed");
                return Err(if failures.is_empty() { error } else { error.with_note(&note()) });
            }
            if let Some(next) = next {
                self.log_failed_region(endpoint, next, &error);
            }
            failures.push((endpoint, error));
        }
        Err(all_failed(failures, &session.endpoint))
    }

    /// Awaits a call at `endpoint`, at most for `limit`, and reports it to the observer.
    async fn call_within<T>(
        &self,
        limit: Option<Duration>,
        endpoint: &Endpoint,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let timeout = async {
            match limit {
                Some(limit) => self.context.clock.sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            result = call => result,
            () = timeout => {
                let reason = format!("no response within {:.1} s", limit.unwrap_or_default().as_secs_f64());
                Err(ProviderError::at(self.hop.clone(), StsError::not_reached(endpoint, reason)))
            }
        };
        match &result {
            Ok(_) => self.context.observer.record_sts_call(endpoint.region(), "ok"),
            Err(error) if error.at_sts().is_some() => {
                self.context.observer.record_sts_call(endpoint.region(), error.code());
            }
            // No call was made.
            Err(_) => {}
        }
        result
    }

    /// Returns the time for a call at the next of `count` regions, if a command has to divide the time for its first credentials
    /// between them.
    fn share_of_time(&self, is_first: bool, count: usize) -> Option<Duration> {
        let (started, timeout) = self.context.deadline.filter(|_| is_first)?;
        let left = timeout.saturating_sub(self.context.clock.now().since(started));
        Some(left / u32::try_from(count).ok()?).filter(|share| !share.is_zero())
    }

    fn log_failed_region(&self, failed: &Endpoint, next: &Endpoint, error: &ProviderError) {
        tracing::warn!(
            profile = %self.profiles(),
            hop = self.hop.number,
            role_arn = %self.hop.role(),
            region = failed.region(),
            next_region = next.region(),
            %error,
            "region failed, asking the next one"
        );
    }
}

/// Records the result of a call for the pace of further ones.
fn record<T>(pacer: &Pacer, sent: Moment, now: Moment, result: &Result<T, ProviderError>) {
    match result {
        Ok(_) => pacer.record(sent, now, None),
        // Without an error of STS, no call was made.
        Err(error) => error.at_sts().into_iter().for_each(|(_, error)| pacer.record(sent, now, Some(error))),
    }
}

/// Returns the error of the hop's own region, with those of the fallback regions.
fn all_failed(mut failures: Vec<(&Endpoint, ProviderError)>, home: &Endpoint) -> ProviderError {
    let index = failures.iter().position(|(endpoint, _)| *endpoint == home).unwrap_or_default();
    let (_, error) = failures.remove(index);
    failures.iter().fold(error, |error, (endpoint, other)| {
        let reason = other.at_sts().map(|(_, error)| error.to_string()).unwrap_or_default();
        error.with_note(&format!("the fallback region {} failed too: {reason}", endpoint.region()))
    })
}
