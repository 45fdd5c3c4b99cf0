//! Tests of the compiled binary against a strict local STS, with real files and sockets.
//!
//! All tests are in one test binary, so that it is linked only once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail by panicking and measure real time"
)]

/// Helpers that start credvend, send requests to it and search its output for secrets.
mod support;

/// `--on-write` and `--signal`: what follows each write of the credentials file.
mod after_write;
/// The order of the modules in `src`: which module may use which.
mod architecture;
/// Chains whose base is not a web identity token: environment keys, a container endpoint, instance metadata, a program.
mod bases;
/// `check`: its report, and its explanation of each STS error.
mod check;
/// `--config-file`: the AWS config file that `run` writes.
mod config_file;
/// `--credentials-file`: the shared credentials file that `run` writes.
mod credentials_file;
/// Crowds of connections, and a process without free file descriptors.
mod crowds;
/// The container credentials endpoint: responses, authorization and request guards.
mod endpoint;
/// `exec`: the program's environment, signals and exit code.
mod exec;
/// `explain`: the source of each SDK in environments that are set up in typical ways.
mod explain;
/// `export`: each format, read by a consumer of that format.
mod export_formats;
/// `process --from-endpoint`: credentials from a running `credvend run`.
mod from_endpoint;
/// Files that are FIFOs, devices or too large.
mod files;
/// `health`, `/readyz`, `/metrics` and `--admin-listen`.
mod health;
/// `install`, `completions` and `--help`.
mod install;
/// `--imds-listen`: the instance metadata service.
mod instance_metadata;
/// Each flag and its environment variable have the same effect.
mod interface;
/// A limit on threads that is used up.
mod limits;
/// Log lines, as text and as JSON, without secrets.
mod logs;
/// `/metrics`: what it counts, and its formats.
mod metrics;
/// The one-shot commands: `export`, `process` and `run --once`.
mod one_shots;
mod other_sts;
/// Files and links that another user has planted.
mod planted_files;
/// Many profiles at an STS that throttles.
mod pacing;
/// Chains from profiles of the AWS config file, and the calls that profiles share.
mod profiles;
/// Requests as SDKs of all ages send them, at the endpoint and at the instance metadata service.
mod sdk_requests;
/// `--sts-fallback-region`: two regions, of which one fails.
mod regions;
/// SIGHUP: what a reload changes, and what it leaves alone.
mod reload;
/// When credentials are refreshed, and the behaviour of `run` when a refresh fails.
mod refresh;
/// SIGTERM, SIGINT and SIGHUP, and the hardening of the process.
mod signals;
/// README.md and SECURITY.md: generated tables, commands and references.
mod readme;
/// `status` and `/v1/status`.
mod status;
/// Faults of STS: errors, broken responses, hanging connections and wrong clocks.
mod sts_faults;
/// `exec` on a terminal and as PID 1.
mod terminal;
/// `status` and `check` on a terminal, and `status --watch`.
mod terminal_output;
/// TLS, CA bundles, proxies and the choice of the STS endpoint.
mod tls;
/// The projected token file: re-reading, and missing, malformed and expired tokens.
mod token;
/// `trust-policy`: the local STS enforces the printed policies.
mod trust_policy;
/// Written files among other writers.
mod written_files;
