use std::path::Path;

use super::Outcome;

#[derive(clap::Args)]
pub struct Args {}

#[derive(clap::Args)]
pub struct BenchLog {}

pub fn run(_config: &Path, _args: Args) -> anyhow::Result<Outcome> {
    anyhow::bail!("not written yet")
}

pub fn bench(_args: BenchLog) -> anyhow::Result<Outcome> {
    anyhow::bail!("not written yet")
}
