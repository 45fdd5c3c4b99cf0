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
        Err(_) => return ExitCode::FAILURE,
    };
    let code = runtime.block_on(command::execute(cli, &ProcessEnvironment));
    // A thread that waits for a disk must not hold up the end.
    runtime.shutdown_background();
    code
}
