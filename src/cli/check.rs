use std::path::Path;

use super::Outcome;

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_config: &Path, _args: Args) -> anyhow::Result<Outcome> {
    anyhow::bail!("not written yet")
}
