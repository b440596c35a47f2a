//! How far the office's log was read, and the address book up to there. It is written before an act is served twice, and it keeps an
//! office from showing another log after a restart.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::KeyDeskError;
use super::address_book::AddressBook;
use crate::audit::{ReadPrefix, VerifierKey};
use crate::durable;

const FILE: &str = "office-log.json";

#[derive(Debug, Clone)]
pub struct Record {
    pub prefix: ReadPrefix,
    pub book: AddressBook,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The key that signed the log.
    office: String,
    size: u64,
    prefix: Vec<u8>,
    book: AddressBook,
}

impl Record {
    /// Begins anew where there is none. One that cannot be read, or is of another log, is a person's to remove.
    pub fn open(dir: &Path, office: &VerifierKey) -> Result<Self, KeyDeskError> {
        let path = dir.join(FILE);
        let unusable = |what: &str| KeyDeskError::Record {
            path: path.clone(),
            what: what.to_owned(),
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self {
                    prefix: ReadPrefix::default(),
                    book: AddressBook::default(),
                });
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
            book: kept.book,
        })
    }

    pub fn save(&self, dir: &Path, office: &VerifierKey) -> Result<(), KeyDeskError> {
        let kept = Kept {
            office: office.to_string(),
            size: self.prefix.size(),
            prefix: self.prefix.to_bytes(),
            book: self.book.clone(),
        };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        durable::create_dir(dir)?;
        Ok(durable::write_atomic(&dir.join(FILE), &bytes)?)
    }
}
