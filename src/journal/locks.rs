//! What the first lock of an item follows from, and the lock itself once it is settled, so that all objects of the item get the same.

use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, Retention, SessionId};

impl Journal {
    /// Seconds by which the camera's clock was ahead when it was docked; `None` where that was not measured.
    pub fn clock_ahead(&self, session: SessionId) -> Result<Option<i64>, JournalError> {
        let found = self.row(
            "SELECT clock_ahead FROM sessions WHERE id = ?1",
            [session],
            |row| row.get(0),
        )?;
        Ok(found.flatten())
    }

    pub fn first_lock(&self, item: EvidenceId) -> Result<Option<Retention>, JournalError> {
        let found = self.row(
            "SELECT first_lock FROM items WHERE id = ?1",
            [item],
            |row| row.get(0),
        )?;
        Ok(found.flatten())
    }

    pub fn settle_first_lock(
        &self,
        item: EvidenceId,
        lock: &Retention,
    ) -> Result<(), JournalError> {
        step!("journal settle_first_lock");
        // If this is lost, objects that are there keep their lock within a day, or get the later one.
        self.unsynced(|connection| {
            connection.execute(
                "UPDATE items SET first_lock = ?2 WHERE id = ?1",
                (item, lock),
            )?;
            Ok(())
        })
    }
}
