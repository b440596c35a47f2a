use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Outcome, load, logs};
use crate::station::{self, Ended, Options};
use crate::sys;

/// Runs the station: takes footage from docked cameras, seals it, logs it and stores it until it is stopped.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock run                          the service, with /etc/camdock/camdock.toml
  camdock run --drain                  take and store everything that is docked now, previews included, then exit:
                                       0 all stored, 3 something needs attention
SIGTERM and Ctrl-C stop it in an orderly way. A kill or a power cut loses nothing either.")]
pub struct Args {
    /// Exit once every docked camera is dealt with
    #[arg(long)]
    drain: bool,
    /// With --drain: store nothing, exit once everything docked is secured on this station
    #[arg(long, requires = "drain", hide = true)]
    until_secured: bool,
    /// Look for USB devices here instead of in /sys
    #[arg(long, value_name = "DIR", hide = true)]
    sysfs: Option<PathBuf>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let loaded = load(config)?;
    sys::bound_heap();
    logs::start(loaded.config.log.format, &loaded.config.log.level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(station::run(
        loaded,
        Options {
            drain: args.drain,
            until_secured: args.until_secured,
            sysfs: args.sysfs,
        },
    ));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match ended? {
        Ended::AllStored | Ended::Stopped => Ok(Outcome::Fine),
        Ended::NeedsAttention => Ok(Outcome::NeedsAttention),
    }
}
