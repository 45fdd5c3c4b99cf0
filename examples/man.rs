//! Manual pages for packagers, made from the same definitions as `--help`: `cargo run --example man -- DIRECTORY`.
//!
//! Writes `credvend.1` and one page a command. Not a command of `credvend` itself: what makes them would be 70 KiB of the binary.

#![allow(clippy::print_stderr, reason = "what an example has to say, it says on the terminal")]

use std::{path::Path, process::ExitCode};

use clap::CommandFactory as _;
use credvend::Cli;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [directory] = arguments.as_slice() else {
        eprintln!("man: name the directory that gets the pages, and nothing else");
        return ExitCode::from(2);
    };
    match clap_mangen::generate_to(Cli::command(), directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("man: {}: {error}; name a directory that exists", Path::new(directory).display());
            ExitCode::from(6)
        }
    }
}
