//! A log in memory for the model check of the ingest: the same answers, no files, no signatures, and failures on demand.

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rustix::io::Errno;
use tokio::sync::watch;

use super::AuditError;
use super::writer::Committed;
use crate::durable;
use crate::failpoint::hook;

/// The name of the point at which appending may fail.
const POINT: &str = "memory log: append";
/// The name of the point at which a proof may fail.
const PROOF: &str = "memory log: proof";

/// The entries live as long as one clone of the log; [`MemoryLog::reopened`] opens it again.
#[derive(Clone, Default)]
pub struct MemoryLog {
    entries: Arc<Mutex<Vec<Vec<u8>>>>,
    size: watch::Sender<u64>,
    poisoned: Arc<Mutex<bool>>,
}

impl MemoryLog {
    /// The log as it is after a restart.
    pub fn reopened(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            size: watch::Sender::new(self.size()),
            poisoned: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.entries.lock()
    }

    pub fn size(&self) -> u64 {
        self.lock().len() as u64
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// The acknowledged entries from `from` on.
    pub fn since(&self, from: u64) -> Vec<Vec<u8>> {
        let [from, to] = [from, *self.size.borrow()].map(|n| usize::try_from(n).unwrap_or(0));
        self.lock().get(from..to).unwrap_or_default().to_vec()
    }

    /// A full disk refuses the entries and may take them later; after any other error the entries are in the log although
    /// the append failed, and the log takes no more.
    pub fn append(&self, batch: Vec<Vec<u8>>) -> Result<Vec<Committed>, AuditError> {
        let failed = hook::fails(POINT, Path::new("/nowhere"))
            .err()
            .and_then(|error| Errno::from_io_error(&error));
        let mut poisoned = self.poisoned.lock();
        if *poisoned {
            return Err(AuditError::Poisoned);
        }
        if failed == Some(Errno::NOSPC) {
            durable::sync_dir(Path::new("/nowhere/log"))?;
        }
        let first = self.size();
        self.lock().extend(batch.iter().cloned());
        if failed.is_some() {
            *poisoned = true;
            return Err(AuditError::Poisoned);
        }
        self.size.send_replace(self.size());
        Ok((first..)
            .zip(batch)
            .map(|(index, bytes)| Committed { index, bytes })
            .collect())
    }

    /// Differs with the size, as the real receipt does.
    pub fn proof(&self, index: u64) -> Result<String, AuditError> {
        hook::fails(PROOF, Path::new("/nowhere")).map_err(|source| AuditError::Read {
            key: "a tile".into(),
            source,
        })?;
        self.entry(index)?;
        Ok(format!("entry {index} of {}", self.size()))
    }

    pub fn entry(&self, index: u64) -> Result<Vec<u8>, AuditError> {
        let entries = self.lock();
        let size = entries.len() as u64;
        usize::try_from(index)
            .ok()
            .and_then(|index| entries.get(index).cloned())
            .ok_or(AuditError::OutOfRange { index, size })
    }
}
