//! `camdock check`: what the station needs, one check after the other, then the steps of setting it up.
//!
//! It only reads, except with `--store`; each diagnosis that is not fine names its fix.

pub mod diagnosis;
mod encryption;
mod machine;
pub mod step_list;
mod steps;
pub mod store;
mod usb;
mod wipe;
mod witness;

use std::path::Path;

use self::diagnosis::{bad, fine};

use super::Outcome;
use crate::config::{Config, Loaded};

/// Checks what the station needs, names the fix for each finding, and leads through setting it up step by step.
#[derive(clap::Args)]
#[command(
    after_help = "Exit code 0: the station can run. 3: something below needs a fix. 2: the configuration is wrong."
)]
pub struct Args {
    /// One JSON object a line: the checks, then the steps
    #[arg(long)]
    json: bool,
    /// Also put small objects below probe/ into the store, locked for a minute, to see whether it does what is needed
    #[arg(long)]
    store: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let loaded = Config::load(config).inspect_err(|error| {
        let path = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        // The error itself is reported even if the steps cannot be printed.
        let _ = steps::print_unready(&mut out, &path, error, args.json);
    });
    let Loaded {
        config,
        roster,
        profiles,
        warnings,
    } = loaded?;
    let mut diagnoses = vec![fine("configuration", config.path.display().to_string())];
    diagnoses.extend(
        warnings
            .into_iter()
            .map(|w| bad("configuration", w, "Edit the configuration file.")),
    );
    diagnoses.push(fine("roster", format!("{} cameras", roster.len())));
    let own = machine::keys(&config, &mut diagnoses);
    machine::folders(&config, &mut diagnoses);
    diagnoses.push(encryption::state_folder(config.files.state_dir()));
    let numbers = std::fs::read(config.files.bay_numbers()).ok();
    diagnoses.extend(usb::diagnoses(
        Path::new("/"),
        &config,
        &profiles,
        numbers.as_deref(),
    ));
    diagnoses.extend(wipe::diagnoses(&config, &profiles, own.as_ref()));
    machine::clock(&mut diagnoses);
    if config.preview.enabled {
        machine::preview_worker(&mut diagnoses);
    }
    store::store(&config, args.store, &mut diagnoses);
    witness::witnesses(&config, own.as_ref(), &mut diagnoses);
    for diagnosis in &diagnoses {
        diagnosis.print(&mut out, args.json)?;
    }
    steps::print(&mut out, &config, roster.len(), &diagnoses, args.json)?;
    Ok(if diagnoses.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}
