//! How far the office's log was read, and when each approval was first seen here. It keeps an office from showing another log after a
//! restart, and an approval from being older than it is: whoever sets a clock back gains nothing.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DisposerError;
use crate::audit::{ReadPrefix, VerifierKey};
use crate::durable;

const FILE: &str = "office-log.json";

#[derive(Debug, Clone, Default)]
pub struct Record {
    pub prefix: ReadPrefix,
    /// By the act that approves.
    pub seen: BTreeMap<u64, Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The key that signed the log.
    office: String,
    size: u64,
    prefix: Vec<u8>,
    seen: BTreeMap<u64, Timestamp>,
}

impl Record {
    /// Begins anew where there is none: every approval waits its full time then. One that cannot be read, or is of another log, is a
    /// person's to remove.
    pub fn open(dir: &Path, office: &VerifierKey) -> Result<Self, DisposerError> {
        let path = dir.join(FILE);
        let unusable = |what: &str| DisposerError::Record {
            path: path.clone(),
            what: what.to_owned(),
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(unusable(&error.to_string())),
        };
        let kept: Kept =
            serde_json::from_slice(&bytes).map_err(|error| unusable(&error.to_string()))?;
        if kept.office != office.to_string() {
            return Err(unusable("it is of a log with another key"));
        }
        let prefix = ReadPrefix::from_bytes(kept.size, &kept.prefix);
        Ok(Self {
            prefix: prefix.ok_or_else(|| unusable("its hashes do not fit its size"))?,
            seen: kept.seen,
        })
    }

    pub fn save(&self, dir: &Path, office: &VerifierKey) -> Result<(), DisposerError> {
        let kept = Kept {
            office: office.to_string(),
            size: self.prefix.size(),
            prefix: self.prefix.to_bytes(),
            seen: self.seen.clone(),
        };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        durable::create_dir(dir)?;
        Ok(durable::write_atomic(&dir.join(FILE), &bytes)?)
    }
}
