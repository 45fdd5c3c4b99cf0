//! Checks README.md and SECURITY.md against the program.
//!
//! - Blocks between `<!-- NAME: begin -->` and `<!-- NAME: end -->` are generated from the output of the program.
//!   `UPDATE_README=1 cargo test --test it readme` rewrites them. Without the variable, a difference fails the test.
//! - Commands, configuration files and manifests in code blocks are run.
//! - Links must have targets, and the tests that SECURITY.md names must exist.

/// Code blocks and generated blocks of a Markdown file.
mod blocks;
/// Commands.
mod commands;
/// Tables of the endpoint.
mod endpoint;
/// Exit codes.
mod exit_codes;
/// Parser of the help.
mod help;
/// Tables of commands and flags.
mod help_tables;
/// Links and diagrams.
mod links;
/// Manifests.
mod manifests;
/// Log events in the sources.
mod log_events;
/// Log events and metrics.
mod observability;
/// Promises of SECURITY.md.
mod promises;
/// Excerpt of the quick start.
mod quickstart;
/// Profile keys, variables without a flag, export formats.
mod settings;
