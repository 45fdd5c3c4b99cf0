//! One-shots: token → exchange → chain once, asked again while that can help and time allows.

use std::time::Duration;

use crate::{
    app::App,
    arn::parse_duration,
    chain::Chain,
    clock::{Clock, Moment},
    command::{Exit, Failed, read_identity},
    config::{Mistakes, env::Environment},
    provider::{Failure, Lease, ProvideCredentials, ProviderError},
    sts::error::Remedy,
};

/// How long a one-shot may take where nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a link is asked in a row.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// While asking again can help.
    pub(super) attempts: u32,
    /// With tokens that STS calls expired: the kubelet may be about to replace it, but a one-shot does not wait for that.
    pub(super) expired_tokens: u32,
}

impl Patience {
    /// Until time is up.
    const LONGEST: Self = Self { attempts: u32::MAX, expired_tokens: 3 };
}

/// How long the command may take.
pub(super) fn timeout(flag: Option<&String>) -> Result<Duration, Failed> {
    let Some(text) = flag else { return Ok(DEFAULT_TIMEOUT) };
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err(Mistakes::one("--timeout must be longer than nothing").into()),
        Ok(timeout) => Ok(timeout),
        Err(why) => Err(Mistakes::one(format!("--timeout {why}")).into()),
    }
}

/// One profile's credentials, within `timeout`.
pub(super) async fn lease_of_one(
    args: &crate::cli::IdentityArgs,
    env: &dyn Environment,
    timeout: Duration,
) -> Result<(Lease, Chain), Failed> {
    let identity = read_identity(args, env)?;
    if identity.chains.len() > 1 {
        return Err(Mistakes::one("one profile is exported at a time: give --profile once").into());
    }
    let app = App::new();
    let links = app.links(&identity)?;
    let lease = match links.first() {
        Some(link) => provide_within(&**link, &**app.clock(), timeout).await?,
        None => return Err(Mistakes::one("there is no profile to export").into()),
    };
    let chain = identity.chains.into_iter().next();
    chain.map(|chain| (lease, chain)).ok_or_else(|| Mistakes::one("there is no profile to export").into())
}

/// Asks a link until it gives credentials, refuses for good, or time is up.
pub(super) async fn provide_within(
    link: &dyn ProvideCredentials,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Lease, Failed> {
    let error = match ask_within(link, clock, timeout, Patience::LONGEST).await {
        Ok(lease) => return Ok(lease),
        Err(GaveUp::Refused(error)) => return Err(error.into()),
        Err(GaveUp::Late(error)) => error,
    };
    let Some(error) = error else {
        let line =
            format!("STS, or the base of the chain, did not answer within {}", humantime::format_duration(timeout));
        return Err(Failed::new(Exit::Unavailable, format!("{line}; check the network, or allow more with --timeout")));
    };
    let Failed { code, line } = Failed::from(error);
    Err(Failed::new(code, format!("gave up after {}: {line}", humantime::format_duration(timeout))))
}

/// What comes of writing a file, within what is left of `timeout` since `begun`.
pub(super) async fn written_within<T>(
    clock: &dyn Clock,
    begun: Moment,
    timeout: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Failed> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = clock.sleep(timeout.saturating_sub(clock.now().since(begun))) => {
            let within = humantime::format_duration(timeout);
            let line = format!("nothing written within {within}: another process holds the directory's lock, or the disk hangs");
            Err(Failed::new(Exit::Sink, line))
        }
    }
}

/// Why a link was not asked again.
pub(super) enum GaveUp {
    /// Asking again does not help, or was not wanted.
    Refused(ProviderError),
    /// Time was up; with what failed last, where anything had.
    Late(Option<ProviderError>),
}

/// Asks a link, so often and so long, while asking again can help.
pub(super) async fn ask_within(
    link: &dyn ProvideCredentials,
    clock: &dyn Clock,
    timeout: Duration,
    patience: Patience,
) -> Result<Lease, GaveUp> {
    let mut last = None;
    let ask = async {
        loop {
            let failure = match link.provide().await {
                Ok(lease) => return Ok(lease),
                Err(failure) => failure,
            };
            if !is_worth_another(&failure, patience) {
                return Err(GaveUp::Refused(failure.error));
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
        None => Err(GaveUp::Late(last)),
    }
}

fn is_worth_another(failure: &Failure, patience: Patience) -> bool {
    match &failure.error {
        ProviderError::Refused { remedy: Remedy::ReadTokenAgain, .. } => failure.attempts < patience.expired_tokens,
        error => error.is_transient() && failure.attempts < patience.attempts,
    }
}
