//! `credvend completions`: prints a shell completion script, generated from the same definitions as `--help`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::command::{Cli, CommandError, output::print};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # bash, in ~/.bashrc
  source <(credvend completions bash)

  # zsh, in a directory of $fpath
  credvend completions zsh > ~/.zfunc/_credvend

  # fish
  credvend completions fish > ~/.config/fish/completions/credvend.fish")]
pub(crate) struct Args {
    /// Shell of the script
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &Args) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "credvend", &mut script);
    print(&String::from_utf8_lossy(&script))
}
