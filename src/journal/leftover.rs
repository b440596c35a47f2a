//! What interrupted work left behind: pulls that nobody goes on with, sealed items that the log does not know.

use super::columns::{id_column, path_column};
use super::{Journal, JournalError};
use crate::model::{CameraId, EvidenceId, SessionId, SourcePath};

impl Journal {
    /// Interrupted pulls of a camera that none of the session's files that are still to be taken can go on with.
    pub fn stale_pulls(
        &self,
        camera: &CameraId,
        session: SessionId,
    ) -> Result<Vec<(EvidenceId, SourcePath)>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, path FROM items WHERE state = 'pulling' AND camera = ?1 AND NOT EXISTS (
                 SELECT 1 FROM inventory i WHERE i.session = ?2 AND i.path = items.path AND i.size = items.size
                 AND i.modified IS items.modified AND i.outcome IN ('pending', 'failed'))",
        )?;
        let rows = statement.query_map((camera.as_str(), session.as_bytes()), |row| {
            Ok((|| {
                Ok((
                    EvidenceId::from_bytes(id_column(row, 0, "evidence id")?),
                    path_column(row, 1)?,
                ))
            })())
        })?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }

    /// Whether items of this session are sealed and durable, and not in the log yet.
    pub fn has_unlogged(&self, session: SessionId) -> Result<bool, JournalError> {
        let found = self
            .lock()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM items WHERE session = ?1 AND state = 'sealed')",
            )?
            .query_row([session.as_bytes()], |row| row.get(0))?;
        Ok(found)
    }
}
