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
//! [`refresh`] is the only loop: it asks a [`chain::link`] for credentials, publishes them in the [`store`], and sleeps until
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

// The pipeline, in order
pub mod token;

pub mod exchange;

pub mod chain;

pub mod refresh;

pub mod store;

pub mod sink;

// Vocabulary and protocol
pub mod arn;
mod bounded_file;
pub mod clock;
pub mod credentials;
mod http_client;
pub mod provider;
mod scrubber;
pub mod shared_file;
pub mod sts;
pub mod tls;

// Advice to people
pub mod diagnosis;
pub mod iam;

// The process
pub mod admin;
pub mod app;
pub mod child;
pub mod cli;
pub mod command;
pub mod config;
pub mod hardening;
pub mod health;
pub mod loopback;
pub mod metrics;
pub mod server;
pub mod shutdown;
pub mod status;
pub mod telemetry;
