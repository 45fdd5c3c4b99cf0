//! `credvend man`: manual pages, made from the same definitions as `--help`. For packagers, so hidden from the list of commands.

use std::path::PathBuf;

use clap::{CommandFactory as _, ValueHint};
use clap_mangen::Man;

use super::{Exit, Failed, process::print};
use crate::cli::Cli;

/// What `man` takes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # Read the page of the whole
  credvend man | man -l -

  # Write a page for each command
  credvend man --output /usr/local/share/man/man1")]
pub struct Args {
    /// Write a page for each command into this directory, in place of the one on stdout
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// Prints the page of `credvend`, or writes all pages.
pub(super) fn run(args: &Args) -> Result<(), Failed> {
    let Some(directory) = &args.output else {
        let mut page = Vec::new();
        // A vector takes everything.
        let _ = Man::new(Cli::command()).render(&mut page);
        return print(&String::from_utf8_lossy(&page));
    };
    clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
        let place = directory.display();
        Failed::new(Exit::Sink, format!("cannot write manual pages into {place}: {}; name a directory", error.kind()))
    })
}
