//! Checks of this machine: keys, folders, disk space and clock.

use super::diagnosis::{Diagnosis, bad, failed, fine};
use crate::audit::{DirSource, VerifierKey};
use crate::config::{Config, Secrets};
use crate::preview;
use crate::seal::Recipient;
use crate::station::parts;
use crate::sys;

/// The log's public key, if the private one is there.
pub fn keys(config: &Config, diagnoses: &mut Vec<Diagnosis>) -> Option<VerifierKey> {
    let secrets = Secrets::from_environment();
    let own =
        parts::log_key(config, &secrets).and_then(|k| Ok(k.verifier(&config.station.log_origin)?));
    diagnoses.push(match &own {
        Ok(key) => fine("log key", key.to_string()),
        Err(error) => failed("log key", error),
    });
    diagnoses.push(match secrets.wrap_key(config) {
        Ok(_) => fine("wrap key", "readable by this user only".into()),
        Err(error) => failed("wrap key", &error.into()),
    });
    diagnoses.push(match parts::recipients(config) {
        Ok(list) => fine(
            "recipients",
            list.iter()
                .map(Recipient::fingerprint)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Err(error) => failed("recipients", &error),
    });
    let log = DirSource::new(config.files.log_dir());
    if log.path().join("checkpoint").exists() {
        diagnoses.push(fine("custody log", log.path().display().to_string()));
    }
    own.ok()
}

pub fn folders(config: &Config, diagnoses: &mut Vec<Diagnosis>) {
    for folder in &config.dock.folders {
        let path = folder.path.display();
        diagnoses.push(if folder.path.is_dir() {
            fine("docked folder", path.to_string())
        } else {
            bad(
                "docked folder",
                format!("{path} is missing"),
                "Make it, or correct [dock] folders in camdock.toml.",
            )
        });
    }
    let spool = &config.spool.dir;
    let place = spool.ancestors().find(|dir| dir.is_dir()).unwrap_or(spool);
    diagnoses.push(match rustix::fs::statvfs(place) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!(
                "{} free, {} kept in reserve",
                gigabytes(free),
                gigabytes(config.spool.reserve_bytes)
            );
            if free > config.spool.reserve_bytes {
                fine("spool", detail)
            } else {
                bad(
                    "spool",
                    detail,
                    "Free space on the spool's disk, or lower [spool] reserve_bytes.",
                )
            }
        }
        Err(error) => bad(
            "spool",
            format!("{}: {error}", place.display()),
            "Check the path and its permissions.",
        ),
    });
}

/// Decimal gigabytes, which is how disks are sold.
fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

/// The program that makes previews is a separate file, which an installation by hand may lack.
pub fn preview_worker(diagnoses: &mut Vec<Diagnosis>) {
    diagnoses.push(match preview::worker_program() {
        Ok(path) if path.is_file() => fine("preview worker", path.display().to_string()),
        Ok(path) => bad(
            "preview worker",
            format!("{} does not exist", path.display()),
            "Install the whole package, or copy camdock-preview there.",
        ),
        Err(error) => failed("preview worker", &error.into()),
    });
}

pub fn clock(diagnoses: &mut Vec<Diagnosis>) {
    let state = sys::clock_state();
    diagnoses.push(if state.synchronised {
        fine("clock", "synchronised".into())
    } else {
        bad(
            "clock",
            "not synchronised; the log says so with each docking".into(),
            "Set up time synchronisation, for example systemd-timesyncd.",
        )
    });
}
