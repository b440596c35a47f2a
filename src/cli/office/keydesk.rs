//! `camdock office keydesk`: the key desk, on a machine of its own, with a configuration of its own.

use std::path::Path;

use clap::Subcommand;

use crate::audit::VerifierKey;
use crate::cli::Outcome;
use crate::cli::check::diagnosis::{Diagnosis, bad, failed, fine};
use crate::config::KeyDeskConfig;
use crate::keydesk;
use crate::model::BucketLayout;
use crate::upload::Store as _;

const NOTE_MAX: u64 = 64 << 10;

#[derive(Subcommand)]
pub enum KeyDeskVerb {
    /// Seal item keys to the people whom the office's published log grants them, until stopped
    Run,
    /// Check configuration, keys, store and the office's log, each finding with its fix
    Check {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Path, verb: &KeyDeskVerb) -> anyhow::Result<Outcome> {
    let (config, warnings) = KeyDeskConfig::load(config)?;
    match verb {
        KeyDeskVerb::Run => serve(config, warnings),
        KeyDeskVerb::Check { json } => check(&config, warnings, *json),
    }
}

fn serve(config: KeyDeskConfig, warnings: Vec<String>) -> anyhow::Result<Outcome> {
    let runtime = super::begin(&config.log, warnings)?;
    runtime.block_on(keydesk::run(config))?;
    Ok(Outcome::Fine)
}

fn check(config: &KeyDeskConfig, warnings: Vec<String>, json: bool) -> anyhow::Result<Outcome> {
    let of = format!("the key desk of {}", config.office);
    let mut found = vec![fine("configuration", of)];
    let unwise = |w| bad("configuration", w, "Edit keydesk.toml.");
    found.extend(warnings.into_iter().map(unwise));
    found.push(match keydesk::recipient_key(config) {
        Ok(key) => fine("recipient key", key.public().fingerprint()),
        Err(error) => failed("recipient key", &error),
    });
    let office = keydesk::office_key(config);
    match (office, keydesk::open_store(config)) {
        (Ok(key), Ok(store)) => {
            let layout = BucketLayout::new(config.store.prefix.clone(), config.office.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let note = runtime.block_on(store.get(&layout.log("checkpoint"), NOTE_MAX));
            found.push(match note {
                Ok(Some(note)) => log_of(&key, &String::from_utf8_lossy(&note)),
                Ok(None) => failed("office's log", &keydesk::KeyDeskError::NoLog.into()),
                Err(error) => failed("office's log", &error.into()),
            });
        }
        (key, store) => {
            found.extend(key.err().map(|error| failed("office's log", &error.into())));
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
            "Compare `office_log_key` in keydesk.toml with what `camdock office check` shows on the office.",
        ),
    }
}
