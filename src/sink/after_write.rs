//! What follows each write of the credentials file: `--on-write` runs a command, `--signal` signals processes.
//!
//! For programs that read the file only at start or on a signal. Without a credentials file, each renewal counts as a write.
//! Neither can stop or delay a renewal: both watch the store, each in a task of its own.

mod command;
mod signal;

use std::{collections::BTreeMap, sync::Arc};

use tokio::task::JoinSet;

use self::{command::HookCommand, signal::ProcessSignal};
use super::{Output, Sink, SinkContext, SinkError, SinkFuture, SinkSettings, SinkTask};
use crate::{
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{pick, pick_list, split_command},
    },
    store::Store,
};

#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Sinks")]
pub(crate) struct Args {
    /// Command to run, without a shell, after each write of the credentials file, or of each renewal without a file; the variable CREDVEND_PROFILE names the profile [env: CREDVEND_ON_WRITE]
    #[arg(long, value_name = "COMMAND")]
    on_write: Option<String>,

    /// Signal to send at the same moment to each process whose executable has this name; repeatable [env: CREDVEND_SIGNAL]
    #[arg(long, value_name = "NAME:SIGNAL")]
    signal: Vec<String>,
}

/// The reactions to writes.
struct AfterWrite {
    reactions: Vec<Arc<Reaction>>,
}

enum Reaction {
    Command(HookCommand),
    Signals(Vec<ProcessSignal>),
}

impl Reaction {
    /// Returns the name in metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => command::NAME,
            Self::Signals(_) => signal::NAME,
        }
    }
}

/// Returns the sink if there is a command or a signal.
pub(super) fn configure(
    args: &Args,
    _settings: &SinkSettings<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<impl Sink + use<>> {
    let mut reactions = Vec::new();
    let signals = pick_list(&args.signal, "--signal", env, "CREDVEND_SIGNAL");
    let signals = signals.iter().filter_map(|setting| setting.check(ProcessSignal::parse(&setting.text), errors));
    let signals: Vec<_> = signals.collect();
    if !signals.is_empty() {
        reactions.push(Reaction::Signals(signals));
    }
    let command = pick(args.on_write.as_ref(), "--on-write", env, &["CREDVEND_ON_WRITE"]);
    if let Some(words) = command.and_then(|setting| split_command(&setting, errors)) {
        reactions.push(Reaction::Command(HookCommand::new(words, env)));
    }
    (!reactions.is_empty()).then(|| AfterWrite { reactions: reactions.into_iter().map(Arc::new).collect() })
}

impl Sink for AfterWrite {
    fn output(&self) -> Output {
        Output::Reaction
    }

    fn open<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<SinkTask, SinkError>> {
        Box::pin(async move {
            let mut tasks = JoinSet::new();
            for reaction in &self.reactions {
                context.metrics.sink_opened(reaction.name());
                tasks.spawn(keep_reacting(Arc::clone(reaction), context.clone()));
            }
            let task: SinkTask = Box::pin(async move { while tasks.join_next().await.is_some() {} });
            Ok(task)
        })
    }

    fn write<'a>(&'a self, context: &'a SinkContext) -> SinkFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            for reaction in &self.reactions {
                react(reaction, context, &mut BTreeMap::new()).await;
            }
            Ok(())
        })
    }
}

/// Reacts to each write until the process stops. That kills a running command.
async fn keep_reacting(reaction: Arc<Reaction>, context: SinkContext) {
    let work = async {
        let mut changes = context.store.changes();
        let mut seen = BTreeMap::new();
        loop {
            changes.mark_unchanged();
            if !react(&reaction, &context, &mut seen).await && changes.changed().await.is_err() {
                return;
            }
        }
    };
    context.until_stopped(work).await;
}

/// Reacts to the writes since those in `seen`, which holds the generation of each profile. Returns true if there were any.
async fn react(reaction: &Reaction, context: &SinkContext, seen: &mut BTreeMap<String, u64>) -> bool {
    let written = written_since(&context.store, seen);
    match reaction {
        Reaction::Signals(signals) => {
            seen.extend(written.iter().cloned());
            if !written.is_empty() {
                for signal in signals {
                    signal.send(context).await;
                }
            }
        }
        Reaction::Command(command) => {
            for (profile, _) in &written {
                // Several writes of a profile while another command was running are one.
                let latest = written_since(&context.store, seen).into_iter().find(|(name, _)| name == profile);
                seen.extend(latest);
                command.run(profile, context).await;
            }
        }
    }
    !written.is_empty()
}

/// Returns the profiles that were written since `seen`, each with its generation.
fn written_since(store: &Store, seen: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let profiles = store.profiles();
    let generations = profiles.iter().map(|profile| (profile.name().to_owned(), store.delivered_generation(profile)));
    generations.filter(|(name, generation)| *generation != seen.get(name).copied().unwrap_or_default()).collect()
}
