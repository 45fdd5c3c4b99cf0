//! The `credvend` command: argv in, exit code out.

use std::process::ExitCode;

use credvend::{
    cli::{self, Command},
    command,
    config::env::ProcessEnvironment,
    hardening,
};

fn main() -> ExitCode {
    hardening::harden();
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    // `exec` runs a program that may leave a core.
    if !matches!(cli.command, Command::Exec(_)) {
        hardening::forbid_core_dumps();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_runtime(&error),
    };
    let code = runtime.block_on(command::execute(cli, &ProcessEnvironment));
    // A thread that waits for a disk must not hold up the end.
    runtime.shutdown_background();
    code
}

/// Nothing is logged yet, nor ever will be.
#[expect(clippy::print_stderr, reason = "the last line on stderr says what failed, here too")]
fn no_runtime(error: &std::io::Error) -> ExitCode {
    eprintln!("credvend: cannot wait for sockets and timers: {error}; raise the limits of processes and open files");
    ExitCode::FAILURE
}
