//! `credvend process`: the `credential_process` document on stdout, and nothing else.

use std::io::Write as _;

use super::{Exit, Failed, oneshot};
use crate::{cli::IdentityArgs, config::env::Environment, sink::process::document};

/// What `process` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bound of the whole command, retries included [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Prints the document.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), Failed> {
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let (lease, _) = oneshot::lease_of_one(&args.identity, env, timeout).await?;
    print(&document(&lease.credentials))
}

/// Writes to stdout. A reader that has gone took what it wanted.
pub(super) fn print(text: &str) -> Result<(), Failed> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failed::new(Exit::Sink, format!("stdout: {}; see where it is redirected to", error.kind())))
        }
        _ => Ok(()),
    }
}
