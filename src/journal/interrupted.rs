//! The leftovers of interrupted work: pulls that nothing will resume, and sealed items that the log does not have.

use super::{Journal, JournalError};
use crate::model::{CameraId, EvidenceId, SessionId, SourcePath};

/// An interrupted pull whose file is no longer on the camera as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalePull {
    pub id: EvidenceId,
    pub path: SourcePath,
}

impl Journal {
    /// Interrupted pulls of a camera that none of the session's files still to be taken can resume.
    pub fn stale_pulls(
        &self,
        camera: &CameraId,
        session: SessionId,
    ) -> Result<Vec<StalePull>, JournalError> {
        self.rows(
            "SELECT id, path FROM items WHERE state = 'pulling' AND camera = ?1 AND NOT EXISTS (
                 SELECT 1 FROM inventory i WHERE i.session = ?2 AND i.path = items.path AND i.size = items.size
                 AND i.modified IS items.modified AND i.outcome IN ('pending', 'failed'))",
            (camera, session),
            |row| {
                Ok(StalePull {
                    id: row.get("id")?,
                    path: row.get("path")?,
                })
            },
        )
    }

    /// Whether items of this session are sealed and durable but not yet in the log.
    pub fn has_unlogged(&self, session: SessionId) -> Result<bool, JournalError> {
        let found = self.row(
            "SELECT 1 FROM items WHERE session = ?1 AND state = 'sealed' LIMIT 1",
            [session],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }
}
