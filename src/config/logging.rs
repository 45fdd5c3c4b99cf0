//! Reads the log settings from flags and variables.

use tracing_subscriber::filter::LevelFilter;

use crate::{
    cli::LogArgs,
    observe::telemetry::{LogFormat, LogSettings},
    settings::{environment::Environment, errors::ConfigErrors},
};

/// Parses the log settings; `default_level` applies where neither flag nor variable sets a level.
///
/// # Errors
/// Returns an error if the format or the level is unknown.
pub(crate) fn log_settings(
    args: &LogArgs,
    default_level: LevelFilter,
    env: &dyn Environment,
) -> Result<LogSettings, ConfigErrors> {
    let text = |flag: &Option<String>, variable: &str| flag.clone().or_else(|| env.text(variable));
    let format = match text(&args.log_format, "CREDVEND_LOG_FORMAT").as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => return Err(ConfigErrors::one("--log-format (CREDVEND_LOG_FORMAT) must be text or json")),
    };
    let level = match text(&args.log_level, "CREDVEND_LOG") {
        None => default_level,
        Some(level) => level.parse().map_err(|_| {
            ConfigErrors::one("--log-level (CREDVEND_LOG) must be error, warn, info, debug, trace or off")
        })?,
    };
    Ok(LogSettings { format, level })
}
