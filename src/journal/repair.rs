//! Repairs after a loss on this station: damaged items, a journal that is rebuilt, a log that was restored from its copy.

use rusqlite::OptionalExtension as _;

use super::items::insert;
use super::sql::Unsigned;
use super::{ItemRow, Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, ItemState};

impl Journal {
    /// Items that a lost journal had; what is there stays. A preview may be in the store already, unknown to the log: none is
    /// made of them any more.
    pub fn adopt_items(&self, items: &[ItemRow]) -> Result<(), JournalError> {
        step!("journal adopt_items");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for item in items {
            let known = tx
                .query_row("SELECT 1 FROM items WHERE id = ?1", [item.id], |_| Ok(()))
                .optional()?;
            if known.is_none() {
                insert(&tx, item)?;
                tx.execute(
                    "INSERT OR IGNORE INTO previews (item, part, state, attempts)
                     VALUES (?1, 'storyboard', 'done', 0), (?1, 'preview', 'done', 0)",
                    [item.id],
                )?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// The log was restored from a copy of `size` entries: items whose entries are beyond that are to be logged again.
    pub fn unlog_from(&self, size: u64) -> Result<u64, JournalError> {
        step!("journal unlog_from");
        Ok(self.lock().execute(
            "UPDATE items SET state = 'sealed', log_index = NULL WHERE state IN ('logged', 'uploading') AND log_index >= ?1",
            [Unsigned(size)],
        )? as u64)
    }

    /// The sealed file was lost before the store had it: the item is given up, and its source is to be taken again.
    pub fn mark_damaged(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal mark_damaged");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.execute(
            "UPDATE items SET state = 'failed', item_key_message = NULL,
                 stored_at = NULL, stored_entry = NULL
             WHERE id = ?1 AND state IN ('sealed', 'logged', 'uploading')",
            [id],
        )?;
        tx.execute(
            "UPDATE inventory SET outcome = 'pending', item = NULL WHERE item = ?1",
            [id],
        )?;
        tx.commit()?;
        drop(connection);
        if self
            .item(id)?
            .is_some_and(|item| item.state == ItemState::Failed)
        {
            self.erase_key(id)?;
        }
        Ok(())
    }

    /// Damaged items whose recording was not taken again.
    pub fn damaged(&self) -> Result<Vec<ItemRow>, JournalError> {
        self.items(
            "WHERE state = 'failed' AND NOT EXISTS (SELECT 1 FROM items AS again WHERE again.camera = items.camera
             AND again.path = items.path AND again.sha256 = items.sha256
             AND again.state IN ('sealed', 'logged', 'uploading', 'stored', 'released')) ORDER BY id",
            [],
        )
    }

    /// Damaged items that this one replaces: the same file with the same content.
    pub fn replaced_by(&self, row: &ItemRow) -> Result<Vec<ItemRow>, JournalError> {
        let (Some(camera), Some(sealed)) = (&row.camera, &row.sealed) else {
            return Ok(Vec::new());
        };
        self.items(
            "WHERE state = 'failed' AND camera = ?1 AND path = ?2 AND sha256 = ?3 ORDER BY id",
            (camera, &row.facts.path, sealed.sha256),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::{FileOutcome, FileTotals, InventoryOutcome, Journal};
    use crate::model::{EvidenceId, SessionId, SourcePath};

    #[test]
    fn a_file_whose_item_is_lost_is_to_be_taken_whether_it_was_called_held_before_or_after() {
        let dir = tempfile::tempdir().unwrap();
        for lost_first in [false, true] {
            let one = FileTotals { files: 1, bytes: 9 };
            let journal = Journal::open(&dir.path().join(format!("{lost_first}.db"))).unwrap();
            let (session, item) = (SessionId::new(), EvidenceId::new());
            let path = SourcePath::new("DCIM/B.MP4").unwrap();
            let connection = journal.lock();
            let sql = "INSERT INTO items (id, session, path, size, kind, flagged, state)
                       VALUES (?1, ?2, ?3, 9, 'video', 0, 'logged')";
            let of = (item, session, &path);
            connection.execute(sql, of).unwrap();
            let sql = "INSERT INTO inventory (session, path, size, kind, flagged, rank, outcome)
                       VALUES (?1, ?2, 9, 'video', 0, 0, 'pending')";
            let of = (session, &path);
            connection.execute(sql, of).unwrap();
            drop(connection);
            let held = || {
                let rows = [InventoryOutcome {
                    path: path.clone(),
                    item: Some(item),
                }];
                let held = FileOutcome::Held;
                journal.set_outcomes(session, held, &rows).unwrap();
            };
            if !lost_first {
                held();
                assert_eq!(journal.inventory_counts(session).unwrap().held, one);
            }
            journal.mark_damaged(item).unwrap();
            if lost_first {
                held();
            }
            assert_eq!(journal.inventory_counts(session).unwrap().pending, one);
        }
    }
}
