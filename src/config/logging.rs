//! Reads the log settings from flags and variables.

use tracing_subscriber::filter::LevelFilter;

use crate::{
    cli::LogArgs,
    observe::telemetry::{LogFormat, LogSettings},
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{choose, pick},
    },
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
    let format = match pick(args.log_format.as_ref(), "--log-format", env, &["CREDVEND_LOG_FORMAT"]) {
        None => LogFormat::Text,
        Some(format) => choose(&format.origin, &format.text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
    };
    let level = match pick(args.log_level.as_ref(), "--log-level", env, &["CREDVEND_LOG"]) {
        None => default_level,
        Some(level) => level.text.parse().map_err(|_| {
            ConfigErrors::one(format!("{} must be error, warn, info, debug, trace or off", level.shown()))
        })?,
    };
    Ok(LogSettings { format, level })
}
