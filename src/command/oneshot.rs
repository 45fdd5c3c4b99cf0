//! One-shots: token → exchange → chain once, asked again while that can help and time allows.

use std::time::Duration;

use crate::{
    app::App,
    arn::parse_duration,
    chain::{
        error::{Failure, ProviderError},
        provider::ProvideCredentials,
    },
    clock::{Clock, Moment},
    command::{CommandError, Exit, read_identity},
    lease::Lease,
    plan::ChainPlan,
    settings::{environment::Environment, errors::ConfigErrors},
    sts::recovery::Recovery,
};

/// How long a one-shot may take where nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a link is asked in a row.
#[derive(Clone, Copy)]
pub(super) struct RetryPolicy {
    /// While asking again can help.
    pub(super) attempts: u32,
    /// With tokens that STS calls expired: the kubelet may be about to replace it, but a one-shot does not wait for that.
    pub(super) expired_tokens: u32,
}

impl RetryPolicy {
    /// Until time is up.
    const LONGEST: Self = Self { attempts: u32::MAX, expired_tokens: 3 };
}

/// How long the command may take.
pub(super) fn timeout(flag: Option<&String>) -> Result<Duration, CommandError> {
    let Some(text) = flag else { return Ok(DEFAULT_TIMEOUT) };
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(ConfigErrors::one("--timeout must be longer than nothing").into()),
        Ok(timeout) => Ok(timeout),
        Err(why) => Err(ConfigErrors::one(format!("--timeout {why}")).into()),
    }
}

/// One profile's credentials, within `timeout`.
pub(super) async fn lease_of_one(
    args: &crate::cli::IdentityArgs,
    env: &dyn Environment,
    timeout: Duration,
) -> Result<(Lease, ChainPlan), CommandError> {
    let identity = read_identity(args, env)?;
    if identity.chains.len() > 1 {
        return Err(ConfigErrors::one("one profile is exported at a time: give --profile once").into());
    }
    let app = App::new();
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let lease = match providers.first() {
        Some(provider) => provide_within(&**provider, &**app.clock(), timeout).await?,
        None => return Err(ConfigErrors::one("there is no profile to export").into()),
    };
    let chain = identity.chains.into_iter().next();
    chain.map(|chain| (lease, chain)).ok_or_else(|| ConfigErrors::one("there is no profile to export").into())
}

/// Asks a link until it gives credentials, refuses for good, or time is up.
pub(super) async fn provide_within(
    provider: &dyn ProvideCredentials,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Lease, CommandError> {
    let error = match ask_within(provider, clock, timeout, RetryPolicy::LONGEST).await {
        Ok(lease) => return Ok(lease),
        Err(OneShotError::Refused(error)) => return Err(error.into()),
        Err(OneShotError::Late(error)) => error,
    };
    let Some(error) = error else {
        let line =
            format!("STS, or the base of the chain, did not answer within {}", humantime::format_duration(timeout));
        return Err(CommandError::new(
            Exit::Unavailable,
            format!("{line}; check the network, or allow more with --timeout"),
        ));
    };
    let CommandError { code, line } = CommandError::from(error);
    Err(CommandError::new(code, format!("gave up after {}: {line}", humantime::format_duration(timeout))))
}

/// What comes of writing a file, within what is left of `timeout` since `begun`.
pub(super) async fn written_within<T>(
    clock: &dyn Clock,
    begun: Moment,
    timeout: Duration,
    work: impl Future<Output = T>,
) -> Result<T, CommandError> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = clock.sleep(timeout.saturating_sub(clock.now().since(begun))) => {
            let within = humantime::format_duration(timeout);
            let line = format!("nothing written within {within}: another process holds the directory's lock, or the disk hangs");
            Err(CommandError::new(Exit::Sink, line))
        }
    }
}

/// Why a link was not asked again.
pub(super) enum OneShotError {
    /// Asking again does not help, or was not wanted.
    Refused(ProviderError),
    /// Time was up; with what failed last, where anything had.
    Late(Option<ProviderError>),
}

/// Asks a link, so often and so long, while asking again can help.
pub(super) async fn ask_within(
    provider: &dyn ProvideCredentials,
    clock: &dyn Clock,
    timeout: Duration,
    retry_policy: RetryPolicy,
) -> Result<Lease, OneShotError> {
    let mut last = None;
    let ask = async {
        loop {
            let failure = match provider.provide().await {
                Ok(lease) => return Ok(lease),
                Err(failure) => failure,
            };
            if !is_worth_another(&failure, retry_policy) {
                return Err(OneShotError::Refused(failure.error));
            }
            let wait = failure.until_retry(clock.now());
            last = Some(failure.error);
            clock.sleep(wait).await;
        }
    };
    let outcome = tokio::select! {
        outcome = ask => Some(outcome),
        () = clock.sleep(timeout) => None,
    };
    match outcome {
        Some(outcome) => outcome,
        None => Err(OneShotError::Late(last)),
    }
}

fn is_worth_another(failure: &Failure, retry_policy: RetryPolicy) -> bool {
    match &failure.error {
        ProviderError::Refused { recovery: Recovery::ReloadToken, .. } => {
            failure.attempts < retry_policy.expired_tokens
        }
        error => error.is_transient() && failure.attempts < retry_policy.attempts,
    }
}
