//! The `credvend` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    credvend::main(std::env::args_os())
}
