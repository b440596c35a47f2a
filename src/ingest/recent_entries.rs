//! Entries that are in the log while the journal does not say so yet: a step that is tried again must not enter its entry twice.

use std::collections::HashMap;

use super::IngestError;
use crate::audit::LogHandle;
use crate::model::Sha256Digest;
use parking_lot::{Mutex, MutexGuard};

/// The indices of these entries, by the digest of their bytes. After a restart recovery finds them in the log itself.
#[derive(Default)]
pub struct RecentEntries(Mutex<HashMap<Sha256Digest, u64>>);

impl RecentEntries {
    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256Digest, u64>> {
        self.0.lock()
    }

    /// Appends the entry unless that was done before; returns its index.
    pub async fn append(&self, log: &LogHandle, entry: &[u8]) -> Result<u64, IngestError> {
        let digest = Sha256Digest::of(entry);
        if let Some(index) = self.lock().get(&digest) {
            return Ok(*index);
        }
        let committed = log.append_encoded(vec![entry.to_vec()]).await?;
        let index = committed.first().map_or(0, |c| c.index);
        self.lock().insert(digest, index);
        Ok(index)
    }

    /// Forgets the entry: the journal knows it from now on.
    pub fn noted(&self, entry: &[u8]) {
        self.lock().remove(&Sha256Digest::of(entry));
    }
}
