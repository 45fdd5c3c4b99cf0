//! credvend: exchanges a projected service account token for AWS credentials, chains roles, keeps the result fresh, vends it.
//!
//! # The pipeline
//!
//! Credentials flow one way, and the module list below follows them:
//!
//! ```text
//!  token ──► exchange ──► chain ──► store ──► sinks
//!  (file)    (STS)        (STS ×n)  (watch)   ├─► sink::file      the shared credentials file
//!     ▲         ▲            ▲                ├─► sink::endpoint  the container credentials endpoint
//!     └─────────┴────────────┴── refresh      └─► sink::export, sink::process (one-shots)
//! ```
//!
//! [`refresh`] is the only loop: it asks a [`chain::provider`] for credentials, publishes them in the [`store`], and sleeps until
//! they are due. Whoever reads the store never meets STS; a sink never asks for anything. One-shot commands ask the same links
//! once and render what they get.
//!
//! A chain can also begin elsewhere than at a token: at keys, a container credentials endpoint, instance metadata or another
//! program ([`chain::base`]).
//!
//! Three ideas carry the rest:
//!
//! - **A link is a step of a chain with its last result.** Profiles whose chains begin alike hold the same links, so the calls of
//!   that beginning are made once, one at a time, with one back-off.
//! - **Failing to refresh is not failing to serve.** Credentials in hand are served until 15 s before they expire, whatever STS
//!   does; `run` ends for a signal or for what is wrong at start, never for what goes wrong later.
//! - **Time, chance and the environment are passed in** ([`clock`], [`refresh::backoff::Random`], [`config::env`]); a lint bans them
//!   everywhere else.
//!
//! # Where to find what
//!
//! `main` hands the command line to [`cli`], which says what was typed; [`config`] says what it means, or every mistake in it;
//! [`command`] holds a file for each command; [`app`] is the only wiring. [`iam`] says what IAM must hold for a chain, and
//! [`diagnosis`] what was missing where STS refused. A test reads the `use` lines and holds the direction of dependencies
//! (`tests/it/architecture.rs`).

// From top to bottom: each module uses only modules below it. `tests/it/architecture.rs` enforces the order.
mod command;
mod config;
mod app;
mod sink;
mod advice;
mod observe;
mod refresh;
mod store;
mod chain;
mod plan;
mod lease;
mod schedule;
mod sts;
mod token;
mod http;
mod process;
mod settings;
mod cli;
mod shared_file;
mod atomic_file;
mod bounded_file;
mod scrubber;
mod credentials;
mod arn;
mod clock;

pub use command::{Cli, execute, main, parse};
pub use settings::environment::Environment;
