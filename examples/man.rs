//! Generates manual pages for packages from the definitions of `--help`: `cargo run --example man -- DIRECTORY`.
//!
//! It writes `credvend.1` and a page for each command. This is not a command of credvend, because the generator would add
//! 70 KiB to the binary.

#![allow(clippy::print_stderr, reason = "an example prints its errors")]

use std::{path::Path, process::ExitCode};

use clap::CommandFactory as _;
use credvend::Cli;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [directory] = arguments.as_slice() else {
        eprintln!("man: wrong number of arguments; name the directory for the pages");
        return ExitCode::from(2);
    };
    match clap_mangen::generate_to(Cli::command(), directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("man: {}: {error}; name an existing, writable directory", Path::new(directory).display());
            ExitCode::from(6)
        }
    }
}
