//! What officers see and say of the recordings of their docked camera. The log entry of each tag is durable before it is noted here.

use jiff::Timestamp;
use rusqlite::Row;

use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, ItemTaggedAtDock, Officer, SessionId};

/// A recording on a docked camera that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockedItem {
    pub id: EvidenceId,
    /// The camera's own time.
    pub modified: Option<Timestamp>,
    pub size: u64,
    pub flagged: bool,
    /// Milliseconds, once a preview said it.
    pub duration: Option<u64>,
    pub incident: Option<String>,
    pub category: Option<String>,
}

impl Journal {
    /// The officer's own recordings on the camera of this session, the newest first, at most `limit`.
    pub fn docked_items(
        &self,
        session: SessionId,
        officer: &Officer,
        limit: u32,
    ) -> Result<Vec<DockedItem>, JournalError> {
        self.rows(
            "SELECT i.id, i.modified, i.size, i.flagged, t.incident, t.category,
                 (SELECT MAX(duration) FROM previews p WHERE p.item = i.id) AS duration
             FROM (SELECT DISTINCT item FROM inventory WHERE session = ?1 AND outcome IN ('secured', 'held') AND item IS NOT NULL) seen
             JOIN items i ON i.id = seen.item JOIN listing l ON l.id = i.id LEFT JOIN dock_tags t ON t.item = i.id
             WHERE i.kind <> 'sidecar' AND i.log_index IS NOT NULL AND l.officer = ?2
             ORDER BY i.modified DESC, i.id DESC LIMIT ?3",
            (session, officer, limit),
            read,
        )
    }

    /// Notes what the log has: all tags that the item has from now on.
    pub fn note_dock_tags(&self, said: &[ItemTaggedAtDock]) -> Result<(), JournalError> {
        step!("journal note_dock_tags");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for tags in said {
            tx.execute(
                "INSERT INTO dock_tags VALUES (?1, ?2, ?3) ON CONFLICT (item) DO UPDATE SET incident = ?2, category = ?3",
                (tags.evidence, &tags.incident, &tags.category),
            )?;
        }
        Ok(tx.commit()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<DockedItem> {
    let duration: Option<Unsigned> = row.get("duration")?;
    Ok(DockedItem {
        id: row.get("id")?,
        modified: row.get::<_, Option<Time>>("modified")?.map(|t| t.0),
        size: row.get::<_, Unsigned>("size")?.0,
        flagged: row.get("flagged")?,
        duration: duration.map(|d| d.0),
        incident: row.get("incident")?,
        category: row.get("category")?,
    })
}
