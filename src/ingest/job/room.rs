//! Room in the spool: a file that does not fit waits, and whatever fits goes first. A size is only a claim: one that is a lie
//! must not keep a camera's other files where they are.

use std::time::Duration;

use super::Run;
use crate::ingest::spool::Room;
use crate::ingest::{IngestError, Shared};
use crate::metrics;
use crate::model::FileFacts;

const STEP: Duration = Duration::from_millis(500);
/// Half a minute of steps; then the camera is looked at again.
const LOOKS: u32 = 60;

/// What came of a file that was to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Done,
    /// Not now: it may still be growing, or could not be read.
    Later,
    /// The spool has no room for it.
    NoRoom,
}

/// For a file of so many bytes, sealed.
pub(super) fn room(shared: &Shared, bytes: u64) -> Option<Room<'_>> {
    let sealed = bytes.saturating_add(bytes / 1024 + (1 << 16));
    shared.spool.room(sealed)
}

impl Run {
    /// Nothing is left but files that do not fit: says so and waits until the `smallest` does. `false`: it is time to look
    /// at the camera again.
    pub(super) fn wait_for_room(&mut self, smallest: &FileFacts) -> Result<bool, IngestError> {
        if !self.cramped {
            self.cramped = true;
            metrics::error("spool_full");
            tracing::warn!(
                code = "spool_full",
                path = %smallest.path,
                needed = smallest.size,
                free = self.shared.spool.free(),
                next_step = "let the uploads drain, or free space on the spool's disk",
                "the spool is full; pulling waits"
            );
        }
        self.lock().waiting(
            "spool_full",
            format!(
                "The station's spool is full: it has no room for {} ({} bytes)",
                smallest.path, smallest.size
            ),
            "Leave the camera docked: it goes on by itself when uploads have made room. Operations: check the store.".into(),
        );
        self.show(None);
        for _ in 0..LOOKS {
            if self.stopped() {
                return Err(IngestError::Stopped);
            }
            if room(&self.shared, smallest.size).is_some() {
                let counts = self.shared.journal.inventory_counts(self.session.id)?;
                self.cramped = false;
                self.lock().pulling(counts);
                return Ok(true);
            }
            self.control.wait(STEP);
        }
        Ok(false)
    }
}
