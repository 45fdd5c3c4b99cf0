//! One-shot commands: obtain credentials once, and retry transient failures until a timeout.

use std::time::Duration;

use crate::{
    app::App,
    arn::parse_duration,
    bounded_file::FifoPolicy,
    chain::{
        error::{Failure, ProviderError},
        provider::ProvideCredentials,
    },
    clock::{Clock, Moment},
    command::{CommandError, Exit, read_identity},
    lease::Lease,
    plan::ChainPlan,
    schedule::pacer::Pacers,
    settings::{environment::Environment, errors::ConfigErrors, setting::shown},
    sts::recovery::Recovery,
};

pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Limits on the number of attempts in a row.
#[derive(Clone, Copy)]
pub(super) struct RetryPolicy {
    /// Maximum number of attempts after transient failures.
    pub(super) attempts: u32,
    /// Maximum number of attempts with a token that STS reports as expired. The kubelet may be about to replace the token, but a
    /// one-shot command does not wait for that.
    pub(super) expired_tokens: u32,
}

impl RetryPolicy {
    const UNTIL_TIMEOUT: Self = Self { attempts: u32::MAX, expired_tokens: 3 };
}

/// Parses `--timeout`.
pub(super) fn timeout(flag: Option<&String>) -> Result<Duration, CommandError> {
    let Some(text) = flag else { return Ok(DEFAULT_TIMEOUT) };
    match parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err(ConfigErrors::one(format!("{} must be greater than zero", shown("--timeout", text))).into())
        }
        Ok(timeout) => Ok(timeout),
        Err(error) => Err(ConfigErrors::one(format!("{} {error}", shown("--timeout", text))).into()),
    }
}

/// Obtains the credentials of the selected profile within `timeout`. Fails if several profiles are selected.
pub(super) async fn provide_single_profile(
    args: &crate::cli::IdentityArgs,
    env: &dyn Environment,
    timeout: Duration,
) -> Result<(Lease, ChainPlan), CommandError> {
    let app = App::new().finish_within(timeout);
    let started = app.clock().now();
    let identity = read_identity(args, env, FifoPolicy::ReadWithin(timeout))?;
    if identity.chains.len() > 1 {
        return Err(ConfigErrors::one("only one profile can be exported at a time; specify --profile once").into());
    }
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let lease = match providers.first() {
        Some(provider) => {
            let hosts = identity.chains.first().map(hosts).unwrap_or_default();
            let limit = TimeLimit { started, timeout, reserved: Duration::ZERO };
            provide_with_timeout(&**provider, &**app.clock(), limit, &hosts, app.pacers()).await?
        }
        None => return Err(ConfigErrors::one("no profile to export; select one with --profile").into()),
    };
    let chain = identity.chains.into_iter().next();
    chain
        .map(|chain| (lease, chain))
        .ok_or_else(|| ConfigErrors::one("no profile to export; select one with --profile").into())
}

/// Returns what the chain asks, for messages.
pub(super) fn hosts(chain: &ChainPlan) -> String {
    let mut hosts = Vec::new();
    for session in chain.sessions() {
        for endpoint in session.endpoints() {
            let host = format!("STS at {}", endpoint.url_without_secrets());
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    if chain.base.web_identity().is_none() {
        hosts.insert(0, format!("the base of the chain ({})", chain.base.kind()));
    }
    hosts.join(" or ")
}

/// The time of a command.
#[derive(Clone, Copy)]
pub(super) struct TimeLimit {
    pub(super) started: Moment,
    pub(super) timeout: Duration,
    /// The part of the timeout to leave for other work.
    pub(super) reserved: Duration,
}

/// Obtains credentials from a provider. Retries until the provider succeeds, a failure is permanent, or the time is over. `hosts` is what
/// the provider asks.
pub(super) async fn provide_with_timeout(
    provider: &dyn ProvideCredentials,
    clock: &dyn Clock,
    TimeLimit { started, timeout, reserved }: TimeLimit,
    hosts: &str,
    pacers: &Pacers,
) -> Result<Lease, CommandError> {
    let left = timeout.saturating_sub(clock.now().since(started)).saturating_sub(reserved);
    let last_error = match provide_with_retries(provider, clock, left, RetryPolicy::UNTIL_TIMEOUT).await {
        Ok(lease) => return Ok(lease),
        Err(RetryError::Failed(error)) => return Err(error.into()),
        Err(RetryError::TimedOut(last)) => last,
    };
    let timeout = humantime::format_duration(timeout);
    let Some(error) = last_error else {
        let line = match pacers.are_limited() {
            true => format!(
                "{hosts} throttles the calls of this account, and not all of them could be made within {timeout}; \
                 increase --timeout"
            ),
            false => format!("{hosts} did not respond within {timeout}; check the network, or increase --timeout"),
        };
        return Err(CommandError::new(Exit::Unavailable, line));
    };
    let CommandError { code, line } = CommandError::from(error);
    Err(CommandError::new(code, format!("timed out after {timeout}: {line}")))
}

/// Waits until `write` completes. Fails when `timeout` has passed since `started`.
pub(super) async fn write_with_timeout<T>(
    clock: &dyn Clock,
    started: Moment,
    timeout: Duration,
    write: impl Future<Output = T>,
) -> Result<T, CommandError> {
    tokio::select! {
        biased;
        result = write => Ok(result),
        () = clock.sleep(timeout.saturating_sub(clock.now().since(started))) => {
            let line = format!(
                "file not written within {}: another process holds the lock on the directory, or the disk does not respond; \
                 increase --timeout",
                humantime::format_duration(timeout)
            );
            Err(CommandError::new(Exit::Sink, line))
        }
    }
}

/// Why retrying stopped.
pub(super) enum RetryError {
    /// The failure is permanent, or the retry policy allows no further attempt.
    Failed(ProviderError),
    /// The timeout is over. Contains the error of the last attempt that failed, if any.
    TimedOut(Option<ProviderError>),
}

/// Obtains credentials from a provider. Retries transient failures as often as `retry_policy` allows, until `timeout` is over.
pub(super) async fn provide_with_retries(
    provider: &dyn ProvideCredentials,
    clock: &dyn Clock,
    timeout: Duration,
    retry_policy: RetryPolicy,
) -> Result<Lease, RetryError> {
    let mut last_error = None;
    let attempts = async {
        loop {
            let failure = match provider.provide().await {
                Ok(lease) => return Ok(lease),
                Err(failure) => failure,
            };
            if !should_retry(&failure, retry_policy) {
                return Err(RetryError::Failed(failure.error));
            }
            let wait = failure.until_retry(clock.now());
            last_error = Some(failure.error);
            clock.sleep(wait).await;
        }
    };
    let outcome = tokio::select! {
        outcome = attempts => Some(outcome),
        () = clock.sleep(timeout) => None,
    };
    match outcome {
        Some(outcome) => outcome,
        None => Err(RetryError::TimedOut(last_error)),
    }
}

fn should_retry(failure: &Failure, retry_policy: RetryPolicy) -> bool {
    match &failure.error {
        ProviderError::Refused { recovery: Recovery::ReloadToken, .. } => {
            failure.attempts < retry_policy.expired_tokens
        }
        error => error.is_transient() && failure.attempts < retry_policy.attempts,
    }
}
