//! Items that a file on a camera may be: those with its path, size and time. Their content decides.

use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{CameraId, EvidenceId, FileFacts, Sha256Digest};

/// Digests of the first and the last bytes of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentEnds {
    pub first: Sha256Digest,
    pub last: Sha256Digest,
}

/// An earlier item of the same camera with the same path, size and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldItem {
    pub id: EvidenceId,
    pub sha256: Sha256Digest,
    /// `None` where they were never noted, as after a journal was rebuilt.
    pub ends: Option<ContentEnds>,
}

impl Journal {
    /// The items that may be this file of this camera, the newest first; none without a time.
    pub fn held(
        &self,
        camera: &CameraId,
        facts: &FileFacts,
    ) -> Result<Vec<HeldItem>, JournalError> {
        let Some(modified) = facts.modified else {
            return Ok(Vec::new());
        };
        self.rows(
            "SELECT id, sha256, first, last FROM items LEFT JOIN ends ON item = id
             WHERE camera = ?1 AND path = ?2 AND size = ?3 AND modified = ?4
             AND state IN ('logged', 'uploading', 'stored', 'released') AND sha256 IS NOT NULL ORDER BY id DESC",
            (camera, &facts.path, Unsigned(facts.size), Time(modified)),
            |row| {
                let ends = (row.get("first")?, row.get("last")?);
                Ok(HeldItem {
                    id: row.get("id")?,
                    sha256: row.get("sha256")?,
                    ends: match ends {
                        (Some(first), Some(last)) => Some(ContentEnds { first, last }),
                        _ => None,
                    },
                })
            },
        )
    }

    /// Notes the ends of these items' contents. If they are lost, the files are read whole when they are seen again.
    pub fn note_ends(&self, items: &[(EvidenceId, ContentEnds)]) -> Result<(), JournalError> {
        step!("journal note_ends");
        self.unsynced(|connection| {
            let tx = connection.unchecked_transaction()?;
            for (id, ends) in items {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO ends (item, first, last) VALUES (?1, ?2, ?3)",
                )?
                .execute((id, ends.first, ends.last))?;
            }
            Ok(tx.commit()?)
        })
    }
}
