//! A station's log in the bucket, read by a thread that may block.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::audit::{AuditError, BUNDLE_MAX, LogSource};
use crate::model::BucketLayout;
use crate::upload::{Store, UploadError};

/// A checkpoint or a tile of hashes is far smaller. A hostile bucket fills no memory.
const BYTES_MAX: u64 = 64 << 10;

pub struct BucketLog {
    pub store: Arc<dyn Store>,
    pub layout: BucketLayout,
    pub runtime: Handle,
}

impl LogSource for BucketLog {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let limit = if key.starts_with("tile/entries/") {
            BUNDLE_MAX
        } else {
            BYTES_MAX
        };
        let key = self.layout.log(key);
        match self.runtime.block_on(self.store.get(&key, limit)) {
            Ok(found) => Ok(found.map(|bytes| bytes.to_vec())),
            // A log that cannot be one is its writer's doing, not the store's.
            Err(UploadError::Oversized { .. }) => Err(AuditError::Corrupt {
                what: format!("{key} is longer than a log's file can be"),
            }),
            Err(error) => Err(AuditError::Read {
                key,
                source: io::Error::other(error),
            }),
        }
    }
}
