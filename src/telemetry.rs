//! Log lines on stderr, for people or as JSON.
//!
//! Only credvend's own lines are written, at every level: what a library traces of a request may hold what the request
//! holds.

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    cli::LogArgs,
    config::{Mistakes, env::Environment},
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Starts logging; `least` is the level where nobody chose one.
///
/// # Errors
/// Where format or level is unknown.
pub fn start(args: &LogArgs, least: LevelFilter, env: &dyn Environment) -> Result<LogFormat, Mistakes> {
    let given = |flag: &Option<String>, variable: &str| flag.clone().or_else(|| env.text(variable));
    let format = match given(&args.log_format, "CREDVEND_LOG_FORMAT").as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => return Err(Mistakes::one("--log-format (CREDVEND_LOG_FORMAT) must be text or json")),
    };
    let level = match given(&args.log_level, "CREDVEND_LOG") {
        None => least,
        Some(level) => level
            .parse()
            .map_err(|_| Mistakes::one("--log-level (CREDVEND_LOG) must be error, warn, info, debug, trace or off"))?,
    };
    let own = Targets::new().with_target("credvend", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry();
    // A second start in one process (the quick start's) keeps the first one's subscriber.
    let _ = match format {
        LogFormat::Text => registry.with(lines.with_ansi(false).with_filter(own)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(own)).try_init(),
    };
    Ok(format)
}
