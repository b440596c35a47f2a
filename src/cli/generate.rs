use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Outcome};
use crate::durable;

/// Writes man pages and shell completions, made from this very command line, for the package.
#[derive(clap::Args)]
pub struct Args {
    /// An existing or new folder: man/ and completions/ are made in it
    dir: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<Outcome> {
    let man = args.dir.join("man");
    let completions = args.dir.join("completions");
    for dir in [&man, &completions] {
        durable::create_dir(dir)?;
    }
    let command = Cli::command();
    clap_mangen::generate_to(command, &man).with_context(|| cannot(&man))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "camdock", &completions)
            .with_context(|| cannot(&completions))?;
    }
    Ok(Outcome::Fine)
}

fn cannot(dir: &Path) -> String {
    format!("cannot write to {}", dir.display())
}
