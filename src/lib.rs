//! credvend exchanges a Kubernetes service account token for AWS credentials, chains roles, and keeps the credentials fresh in every
//! output that applications read.
//!
//! # The pipeline
//!
//! Credentials flow in one direction:
//!
//! ```text
//!  token ──► exchange ──► chain ──► store ──► sinks
//!  (file)    (STS)        (STS ×n)  (watch)   ├─► sink::file               the shared credentials file
//!     ▲         ▲            ▲                ├─► sink::endpoint           the container credentials endpoint
//!     └─────────┴────────────┴── refresh      ├─► sink::instance_metadata  the instance metadata service
//!                                             └─► sink::export             formats of the one-shot commands
//! ```
//!
//! - `token` reads the projected token from its file.
//! - `chain::base` exchanges it at STS, or gets the first credentials from static keys, a container endpoint, instance metadata or
//!   a program.
//! - `chain::hop_provider` assumes each further role and caches the result of each hop. Profiles whose chains start alike share
//!   these providers, so each shared call is made once.
//! - `refresh` is the only loop: it asks a provider for credentials, publishes them in the `store`, and sleeps until the next
//!   refresh.
//! - A `sink` reads the store. It never calls STS.
//!
//! Configuration also flows in one direction: `cli` holds the flags as text, `config` turns them, the environment and the profiles
//! into a `plan`, and `app` builds the pipeline from the plan. `command` has one file for each subcommand.
//!
//! # Principles
//!
//! - **A failed refresh does not stop serving.** Credentials are served until 15 s before they expire, even if STS fails.
//!   `run` ends on a signal or on an error at start, never on a later error.
//! - **Time, randomness and the environment are passed in** (`clock`, `schedule::backoff`, `settings::environment`). A lint bans
//!   them everywhere else.
//! - **A secret has a type** that is wiped when dropped and never printed. `expose_secret` marks every place where one leaves.

// From top to bottom: each module uses only modules below it. `tests/it/architecture.rs` enforces the order.
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(any(test, simulation))]
pub mod simulation;
mod command;
mod config;
mod app;
mod sink;
mod advice;
mod explain;
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
mod trusted_path;
mod bounded_file;
mod scrubber;
mod printable;
mod credentials;
mod arn;
mod clock;

pub use command::{Cli, execute, main, parse};
pub use settings::environment::Environment;
