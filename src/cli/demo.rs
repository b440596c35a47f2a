use super::Outcome;

/// Runs a whole station on this machine: a real S3 server, folder cameras with footage.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<Outcome> {
    anyhow::bail!("not written yet")
}
