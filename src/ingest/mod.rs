//! The conductor: one job for each docked camera, from its inventory until everything is stored.
//!
//! Keeps promises 1, 2 and 9. It alone joins camera, seal, audit, upload and journal; it must not show a camera as safe before
//! every file is durable and in the signed log.

mod bays;
mod camera_reader;
mod commit;
mod control;
mod damage;
mod error;
mod events;
mod first_lock;
mod growth;
mod held;
mod import;
mod inventory;
mod item_stock;
mod job;
mod outbound;
mod poll;
mod previews;
mod pull;
mod queue;
mod rebuild;
mod recent_entries;
mod recover;
mod slots;
mod source;
mod spool;
mod state;
mod wiping;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{Timestamp, TimestampRound, Unit};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::audit::{LogHandle, encode_entry};
use crate::durable::SetAside;
use crate::journal::{ItemRow, Journal};
use crate::model::{Entry, Event, SessionId, StationName};
use crate::seal::{ItemKey, Recipient, StationWrapKey};

pub use bays::{Bays, REMOVED_EARLY};
pub use commit::{CommitQueue, Committer, run as run_committer};
pub use control::{JobControl, JobEnd};
pub use damage::DAMAGED;
pub use error::IngestError;
use error::chain;
pub use import::Import;
pub use job::Job;
pub use outbound::Outbound;
pub use previews::{PreviewOrder, PreviewRules, Previews, preview_worker_main, sweep_previews};
pub use recent_entries::RecentEntries;
pub use recover::{PUBLISHED, Recovered, WITNESSED, recover};
pub use slots::CameraSlots;
pub use spool::Spool;
pub use wiping::{WipeMeans, Wiping};

/// The parts of the station that every job and the uploads work with.
pub struct Shared {
    pub station: StationName,
    pub journal: Journal,
    pub log: LogHandle,
    pub spool: Spool,
    /// On the disk of log and journal: what is sealed can be stored although that disk is full, and so makes room.
    pub log_room: SetAside,
    pub recipients: Vec<Recipient>,
    pub wrap: StationWrapKey,
    /// Plaintext bytes of a frame.
    pub frame_length: u32,
    /// A file's time before this year says nothing: the camera's clock was not set.
    pub earliest_year: i16,
    /// A file that changed less than this ago may still be growing.
    pub settle: Duration,
    pub bays: Bays,
    pub cores: usize,
    /// The cameras that are read, where not all are at once.
    pub slots: CameraSlots,
    /// Pulls that are reading right now.
    pub pulling: AtomicUsize,
    pub wake_upload: Notify,
    /// An item was stored, or another piece of an upload's work was done.
    pub upload_done: Notify,
    pub stop: AtomicBool,
    pub scale: Scale,
    /// `None` once the committing thread has been asked to end.
    pub commit: Mutex<Option<Arc<dyn Committer>>>,
    /// One behind the last entry that was acknowledged. The log's shown size lags behind while a full disk keeps its files back.
    pub entered: AtomicU64,
    /// The size of the log that the witnesses' quorum has cosigned; `None` where a bay is safe without it.
    pub awaited_quorum: Option<watch::Receiver<u64>>,
}

/// Sizes and times that are smaller in the model check than on a real station.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Files below this are not entered as in flight: pulling them again costs less than a journal sync.
    pub resumable_from: u64,
    /// No wait for something that may pass is longer.
    pub longest_wait: Duration,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            resumable_from: 8 << 20,
            longest_wait: Duration::MAX,
        }
    }
}

impl Shared {
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The key of an item in flight.
    fn item_key(&self, row: &ItemRow) -> Result<ItemKey, IngestError> {
        let wrapped = row.wrapped_key.as_deref().unwrap_or_default();
        Ok(self.wrap.unwrap(wrapped, row.id)?)
    }

    /// The exact bytes of a log entry with the current time.
    fn encode(&self, session: Option<SessionId>, event: Event) -> Result<Vec<u8>, IngestError> {
        Ok(encode_entry(&self.entry(session, event))?)
    }

    fn entry(&self, session: Option<SessionId>, event: Event) -> Entry {
        Entry {
            v: 1,
            time: now(),
            station: self.station.clone(),
            session,
            event,
        }
    }

    /// Enters one event; it is durable under a signed checkpoint when this returns. Blocks.
    pub fn log_event(&self, session: Option<SessionId>, event: Event) -> Result<u64, IngestError> {
        let bytes = self.encode(session, event)?;
        self.append(vec![bytes])
    }

    /// Enters events next to each other; all are durable when this returns. Blocks.
    pub fn log_events(
        &self,
        session: Option<SessionId>,
        events: Vec<Event>,
    ) -> Result<(), IngestError> {
        for chunk in events.chunks(1024) {
            let entries = chunk
                .iter()
                .map(|e| self.encode(session, e.clone()))
                .collect::<Result<Vec<_>, _>>()?;
            self.append(entries)?;
        }
        Ok(())
    }

    /// Entries in the log, all durable.
    pub fn log_size(&self) -> u64 {
        *self.log.watch().borrow()
    }

    /// The size of a log that has every entry acknowledged so far.
    fn covering_size(&self) -> u64 {
        self.entered.load(Ordering::Acquire).max(self.log_size())
    }

    /// What the witnesses' quorum has cosigned; `None` where a bay is safe without it.
    fn witnessed_size(&self) -> Option<u64> {
        self.awaited_quorum.as_ref().map(|quorum| *quorum.borrow())
    }

    /// Enters encoded entries next to each other; returns the first one's index. Blocks.
    fn append(&self, entries: Vec<Vec<u8>>) -> Result<u64, IngestError> {
        let committed = self.log.append_encoded_blocking(entries)?;
        if let Some(last) = committed.last() {
            self.entered.fetch_max(last.index + 1, Ordering::AcqRel);
        }
        Ok(committed
            .first()
            .map_or_else(|| self.log_size(), |c| c.index))
    }

    /// Between two attempts that no signal hurries.
    fn pause(&self, length: Duration) {
        std::thread::sleep(length.min(self.scale.longest_wait));
    }
}

/// Short disk work within an async task: lets the other tasks of this thread go elsewhere.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// The station's clock to the millisecond.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(TimestampRound::new().smallest(Unit::Millisecond))
        .unwrap_or(now)
}
