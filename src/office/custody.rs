//! The custody of one item, read from its station's log in the bucket: each entry proven under the checkpoint that this office cosigned.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::witness::{Cosigned, Witness, WitnessedLog};
use super::{OfficeError, station_key};
use crate::audit::{AuditError, EntryReader};
use crate::config::{FollowedStation, OfficeConfig};
use crate::model::Explain as _;
use crate::publish::BucketLog;
use crate::upload::Store;
use crate::web::{CheckpointFacts, CustodyEntry};

/// Bytes of bundles that are read for one page.
const BYTES: u64 = 32 << 20;

/// Where the logs are.
pub struct CustodyReader {
    pub store: Arc<dyn Store>,
    pub witness: Arc<Witness>,
    pub runtime: Handle,
}

/// Entries as far as they were read.
#[derive(Default)]
pub struct Custody {
    pub checkpoint: Option<CheckpointFacts>,
    pub entries: Vec<CustodyEntry>,
    /// What kept the rest from being read.
    pub problem: Option<(&'static str, String)>,
}

impl CustodyReader {
    /// Entries of a station's log that this office has cosigned; `None` before the first time.
    pub fn cosigned_entries(&self, station: &FollowedStation) -> Result<Option<u64>, OfficeError> {
        let key = station_key(station)?;
        let latest = self.witness.log(key.name()).and_then(WitnessedLog::latest);
        Ok(latest.map(|latest| latest.checkpoint.size))
    }

    /// Reads these entries, in order; fewer where their bundles are large. Blocks.
    pub fn read(
        &self,
        config: &OfficeConfig,
        station: &FollowedStation,
        entries: &[u64],
    ) -> Result<Custody, OfficeError> {
        let key = station_key(station)?;
        let log = self.witness.log(key.name());
        let Some(Cosigned { checkpoint, at, .. }) = log.and_then(WitnessedLog::latest) else {
            return Ok(Custody::default());
        };
        let source = BucketLog {
            store: Arc::clone(&self.store),
            layout: config.layout_of(&station.name),
            runtime: self.runtime.clone(),
        };
        let mut reader = EntryReader::new(&source, &checkpoint);
        let mut custody = Custody {
            checkpoint: Some(CheckpointFacts {
                entries: checkpoint.size,
                root: checkpoint.root.to_string(),
                cosigned_at: at,
            }),
            ..Custody::default()
        };
        for index in entries {
            if reader.bytes_read() > BYTES {
                break;
            }
            let (content, why) = match reader.read(*index) {
                Ok(bytes) => (serde_json::from_slice(&bytes).ok(), None),
                // The store did not answer: that says nothing of the entry.
                Err(error @ AuditError::Read { .. }) => {
                    let error = OfficeError::from(error);
                    custody.problem = Some((error.label(), error.described()));
                    break;
                }
                Err(error) => (None, Some(error.to_string())),
            };
            custody.entries.push(CustodyEntry {
                entry: *index,
                proven: why.is_none(),
                content,
                why,
            });
        }
        Ok(custody)
    }
}
