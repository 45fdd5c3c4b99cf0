//! `credvend run --once`: writes the files with the credentials of all profiles, or of those that have credentials when the time is over.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::{Outputs, context};
use crate::{
    app::App,
    atomic_file::LOCK_TIMEOUT,
    command::{
        CommandError, Exit,
        oneshot::{self, TimeLimit},
    },
    config::Identity,
    plan::ChainPlan,
    sink::{Output, SinkContext, SinkError},
};

/// Maximum time that is left for the files if some profiles get no credentials.
const MAX_WRITE_TIME: Duration = Duration::from_secs(2);

/// Maximum number of profiles that the last line names. The log names all.
const MAX_NAMES: usize = 10;

/// The errors of the profiles without credentials, by position in the configuration.
type Failures = BTreeMap<usize, CommandError>;

/// Writes the files once. If some profiles get no credentials, writes those of the others, and fails.
pub(super) async fn write(
    app: &App,
    identity: &Identity,
    outputs: &Outputs,
    timeout: Duration,
) -> Result<(), CommandError> {
    let clock = &**app.clock();
    let started = clock.now();
    let (_stop, stopping) = watch::channel(false);
    // Leave time to write without the lock.
    let mut context = context(app, outputs, stopping, LOCK_TIMEOUT.min(timeout / 4));
    // A single profile has nothing to write after a failure.
    let reserved = if identity.chains.len() > 1 { MAX_WRITE_TIME.min(timeout / 10) } else { Duration::ZERO };
    let limit = TimeLimit { started, timeout, reserved };
    let failures = exchange(app, identity, outputs, &context, limit).await?;
    if failures.len() < identity.chains.len() {
        if !failures.is_empty() {
            let left = timeout.saturating_sub(clock.now().since(started));
            context.lock_timeout = context.lock_timeout.min(left / 2);
        }
        for sink in &outputs.sinks {
            match sink.output() {
                Output::Reaction => sink.write(&context).await?,
                _ => oneshot::write_with_timeout(clock, started, timeout, sink.write(&context)).await??,
            }
        }
    }
    missing(failures, &identity.chains)
}

/// Opens the sinks and obtains the credentials of all profiles. Returns the failures.
async fn exchange(
    app: &App,
    identity: &Identity,
    outputs: &Outputs,
    context: &SinkContext,
    limit: TimeLimit,
) -> Result<Failures, CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let publishers = app.store().set_profiles(&identity.chains);
    let open = async {
        for sink in &outputs.sinks {
            drop(sink.open(context).await?);
        }
        Ok::<_, SinkError>(())
    };
    oneshot::write_with_timeout(&**app.clock(), limit.started, limit.timeout, open).await??;
    let mut exchanges = JoinSet::new();
    for (index, ((provider, publisher), chain)) in
        providers.into_iter().zip(publishers).zip(&identity.chains).enumerate()
    {
        let (clock, pacers, hosts) = (app.clock().clone(), app.pacers().clone(), oneshot::hosts(chain));
        exchanges.spawn(async move {
            let lease = oneshot::provide_with_timeout(&*provider, &*clock, limit, &hosts, &pacers).await;
            (index, lease.map(|lease| publisher.publish(lease)))
        });
    }
    let mut failures = Failures::new();
    while let Some(done) = exchanges.join_next().await {
        match done {
            Ok((_, Ok(()))) => {}
            Ok((index, Err(error))) => _ = failures.insert(index, error),
            Err(_) => return Err(CommandError::new(Exit::Other, "an exchange was cancelled")),
        }
    }
    Ok(failures)
}

/// Returns the error of the first profile without credentials, with the names of all of them.
fn missing(failures: Failures, chains: &[ChainPlan]) -> Result<(), CommandError> {
    if chains.len() > 1 {
        for (index, CommandError { line, .. }) in &failures {
            tracing::error!(profile = chains[*index].profile, error = line, "no credentials obtained");
        }
    }
    let mut names: Vec<&str> = failures.keys().map(|index| chains[*index].profile.as_str()).collect();
    let (count, total) = (names.len(), chains.len());
    let Some((_, CommandError { code, line })) = failures.into_iter().next() else { return Ok(()) };
    if total == 1 {
        return Err(CommandError::new(code, line));
    }
    names.truncate(MAX_NAMES);
    let others = match count.saturating_sub(MAX_NAMES) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let written = if count < total { "the others are written" } else { "nothing is written" };
    let names = names.join(", ");
    Err(CommandError::new(
        code,
        format!("no credentials for {count} of {total} profiles ({names}{others}), {written}: {line}"),
    ))
}
