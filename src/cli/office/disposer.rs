//! `camdock office disposer`: what deletes by rule, on a machine of its own, with a configuration of its own.

use std::path::Path;

use clap::Subcommand;

use crate::audit::VerifierKey;
use crate::cli::Outcome;
use crate::cli::check::diagnosis::{Diagnosis, bad, failed, fine};
use crate::config::DisposerConfig;
use crate::disposer::{self, DisposerError};
use crate::model::BucketLayout;
use crate::sys;
use crate::upload::Store as _;

const NOTE_MAX: u64 = 64 << 10;

#[derive(Subcommand)]
pub enum DisposerVerb {
    /// Delete what two people decided to delete, once that is old enough, until stopped
    Run,
    /// Check configuration, clock, store and the office's log, each finding with its fix
    Check {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Path, verb: &DisposerVerb) -> anyhow::Result<Outcome> {
    let (config, warnings) = DisposerConfig::load(config)?;
    match verb {
        DisposerVerb::Run => {
            let runtime = super::begin(&config.log, warnings)?;
            runtime.block_on(disposer::run(config))?;
            Ok(Outcome::Fine)
        }
        DisposerVerb::Check { json } => check(&config, warnings, *json),
    }
}

fn check(config: &DisposerConfig, warnings: Vec<String>, json: bool) -> anyhow::Result<Outcome> {
    let of = format!("the disposer of {}", config.office);
    let mut found = vec![fine("configuration", of)];
    let unwise = |w| bad("configuration", w, "Edit disposer.toml.");
    found.extend(warnings.into_iter().map(unwise));
    found.push(if sys::clock_state().synchronised {
        fine("clock", "synchronised".to_owned())
    } else {
        bad(
            "clock",
            "it is not synchronised, so nothing is deleted".to_owned(),
            "Switch a time service on, such as chrony or systemd-timesyncd, and wait until it has set the clock.",
        )
    });
    let office: Result<VerifierKey, _> = config.office_log_key.parse();
    match (office, disposer::open_store(config)) {
        (Ok(key), Ok(store)) => {
            let layout = BucketLayout::new(config.store.prefix.clone(), config.office.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let note = runtime.block_on(store.get(&layout.log("checkpoint"), NOTE_MAX));
            found.push(match note {
                Ok(Some(note)) => log_of(&key, &String::from_utf8_lossy(&note)),
                Ok(None) => failed("office's log", &DisposerError::NoLog.into()),
                Err(error) => failed("office's log", &error.into()),
            });
        }
        (key, store) => {
            let key = key.err().map(DisposerError::Key);
            found.extend(key.map(|error| failed("office's log", &error.into())));
            found.extend(store.err().map(|error| failed("store", &error)));
        }
    }
    let mut out = std::io::stdout().lock();
    for diagnosis in &found {
        diagnosis.print(&mut out, json)?;
    }
    Ok(if found.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

fn log_of(key: &VerifierKey, note: &str) -> Diagnosis {
    match key.open(note) {
        Ok(checkpoint) => fine("office's log", format!("{} entries", checkpoint.size)),
        Err(error) => bad(
            "office's log",
            error.to_string(),
            "Compare `office_log_key` in disposer.toml with what `camdock office check` shows on the office.",
        ),
    }
}
