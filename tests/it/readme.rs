//! README.md and SECURITY.md, held to what the program does.
//!
//! - Tables between `<!-- NAME: begin -->` and `<!-- NAME: end -->` are generated from the program's own output.
//!   `UPDATE_README=1 cargo test --test it readme` rewrites them; without the variable, a difference fails.
//! - Commands and configuration files in code blocks are run (`commands`).
//! - Every test that SECURITY.md names exists (`promises`), and every link leads somewhere (`links`).

/// Code blocks and generated blocks of a Markdown file.
mod blocks;
/// Runs the commands of README.md.
mod commands;
/// The endpoint's tables.
mod endpoint;
/// Produces each exit code.
mod exit_codes;
/// Parses `--help`.
mod help;
/// Tables of commands, flags and exit codes.
mod help_tables;
/// Links and pictures.
mod links;
/// Runs credvend as the manifests configure it.
mod manifests;
/// Log events and metrics.
mod observability;
/// SECURITY.md's table of promises.
mod promises;
/// The excerpt of the quick start.
mod quickstart;
/// Profile keys and variables that have no flag.
mod settings;
