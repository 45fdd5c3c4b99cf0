//! The real binary, against a strict local STS, over real files and sockets. One binary of tests, so one link.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail by panicking, and measure real time"
)]

/// The credvend process, a local STS, an HTTP client, waiting, and the search for leaked secrets.
mod support;

/// Who may depend on whom in `src`.
mod architecture;
/// Chains that begin at keys in the environment, a container endpoint, instance metadata, a program.
mod bases;
/// `check`: each row of STS's errors, and what is said of it.
mod check;
/// `--config-file`.
mod config_file;
/// `--credentials-file`.
mod credentials_file;
/// The container credentials endpoint and its guards.
mod endpoint;
/// `exec`: the program's environment, signals and end.
mod exec;
/// Each format of `export`, read by its own consumer.
mod export_formats;
/// `process --from-endpoint`.
mod from_endpoint;
/// `health`, `/readyz`, `--admin-listen`.
mod health;
/// `install`, `completions`, `--help`.
mod install;
/// `--imds-listen`.
mod instance_metadata;
/// Each row of the interface's tables: a flag and its variable mean the same.
mod interface;
/// Log lines, as text and as JSON.
mod logs;
/// `export` and `process`.
mod one_shots;
/// Chains from profiles, and calls that are shared.
mod profiles;
/// README.md and SECURITY.md, held to what the program does.
mod readme;
/// When credentials are renewed, and what happens when they cannot be.
mod refresh;
/// SIGTERM, SIGINT, SIGHUP.
mod signals;
/// `status` and `/v1/status`.
mod status;
/// What STS can do to a client.
mod sts_faults;
/// `exec` on a terminal, and as PID 1.
mod terminal;
/// TLS, CA bundles, proxies.
mod tls;
/// The projected token in all its states.
mod token;
/// `trust-policy`, whose documents the local STS has to accept.
mod trust_policy;
