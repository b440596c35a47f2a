//! The steps of an item, each one transaction: what a step needs is durable before the step is taken.

use rusqlite::OptionalExtension as _;

use super::items::{LoggedItem, insert};
use super::sql::{Time, Unsigned};
use super::{ItemRow, Journal, JournalError, StoredFacts, StoredProof};
use crate::failpoint::step;
use crate::model::{EvidenceId, ItemState, SessionId};

impl Journal {
    /// Enters an item that is about to be pulled.
    pub fn begin_item(&self, item: &ItemRow) -> Result<(), JournalError> {
        step!("journal begin_item");
        // If this is lost, the partial spool file is removed and the file is pulled from its beginning.
        self.put_keys(std::slice::from_ref(item))?;
        self.unsynced(|connection| insert(connection, item))
    }

    /// Commit step 2: the items' spool files are synced; what was sealed is durable here, all of it or nothing.
    pub fn mark_sealed(&self, items: &[ItemRow]) -> Result<(), JournalError> {
        step!("journal mark_sealed");
        self.put_keys(items)?;
        self.sync_keys()?;
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for item in items {
            tx.prepare_cached("DELETE FROM items WHERE id = ?1 AND state = 'pulling'")?
                .execute([item.id])?;
            insert(&tx, item)?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Commit step 3, after the log's sync: the entries stand at these indexes, and the inventory rows are secured unless
    /// the file was listed as another one meanwhile.
    pub fn mark_logged(&self, items: &[LoggedItem]) -> Result<(), JournalError> {
        step!("journal mark_logged");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for LoggedItem { id, index } in items {
            let changed = tx
                .prepare_cached("UPDATE items SET state = 'logged', log_index = ?2 WHERE id = ?1 AND state = 'sealed'")?
                .execute((id, Unsigned(*index)))?;
            if changed == 0 {
                let found: Option<ItemState> = tx
                    .query_row("SELECT state FROM items WHERE id = ?1", [id], |row| {
                        row.get(0)
                    })
                    .optional()?;
                // Recovery replays this step: an item that is further along is fine.
                if matches!(found, None | Some(ItemState::Pulling)) {
                    return Err(JournalError::IllegalStep {
                        id: *id,
                        found: found.map_or("unknown", ItemState::as_str),
                        wanted: ItemState::Logged.as_str(),
                    });
                }
            }
            tx.prepare_cached(
                "UPDATE inventory SET outcome = 'secured', item = ?1 WHERE (session, path) =
                 (SELECT session, path FROM items WHERE id = ?1) AND outcome = 'pending'
                 AND (size, modified) IS (SELECT size, modified FROM items WHERE id = ?1)",
            )?
            .execute([id])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// The store has the item: the entry's bytes are durable here before they go to the log.
    pub fn mark_confirmed(&self, id: EvidenceId, stored: &StoredFacts) -> Result<(), JournalError> {
        step!("journal mark_confirmed");
        self.change(
            "UPDATE items SET stored_at = ?2, stored_entry = ?3 WHERE id = ?1 AND stored_index IS NULL",
            (id, Time(stored.at), &stored.entry),
        )
    }

    /// The log has the `item.stored` entry. Its receipt, which names a log of `log_size` entries, is kept until the store
    /// has it, so that a repeated put sends the same bytes.
    pub fn mark_stored(
        &self,
        id: EvidenceId,
        proof: &StoredProof,
        log_size: u64,
    ) -> Result<(), JournalError> {
        step!("journal mark_stored");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.prepare_cached(
            "INSERT INTO numbers (name, value) VALUES ('witnessed', ?1)
             ON CONFLICT (name) DO UPDATE SET value = MAX(value, ?1)",
        )?
        .execute([Unsigned(log_size)])?;
        tx.execute(
            "UPDATE items SET state = 'stored', stored_at = COALESCE(stored_at, ?2), stored_entry = NULL,
                 stored_index = ?3, stored_receipt = ?4
             WHERE id = ?1 AND state IN ('logged', 'uploading')",
            (id, Time(proof.at), Unsigned(proof.index), &proof.receipt),
        )?;
        tx.commit()?;
        Ok(())
    }

    /// The store has the receipt, too.
    pub fn mark_receipted(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal mark_receipted");
        self.change(
            "UPDATE items SET stored_receipt = NULL WHERE id = ?1 AND state = 'stored'",
            [id],
        )
    }

    /// The item's key is erased and its spool file may go.
    pub fn mark_released(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal mark_released");
        let sql = "SELECT 1 FROM items WHERE id = ?1 AND state = 'stored'";
        if self.row(sql, [id], |_| Ok(()))?.is_none() {
            return Ok(());
        }
        // Erased first, so that no item is ever called released while its key can be found.
        self.erase_key(id)?;
        self.change(
            "UPDATE items SET state = 'released', stored_receipt = NULL, item_key_message = NULL
             WHERE id = ?1 AND state = 'stored'",
            [id],
        )
    }

    /// Forgets an item whose partial spool file was thrown away; a sealed one is never forgotten.
    pub fn drop_pulling(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal drop_pulling");
        let sql = "DELETE FROM items WHERE id = ?1 AND state = 'pulling'";
        if self.lock().execute(sql, [id])? > 0 {
            self.erase_key(id)?;
        }
        Ok(())
    }

    /// A resumed item belongs to the session that continues it.
    pub fn move_to_session(&self, id: EvidenceId, session: SessionId) -> Result<(), JournalError> {
        step!("journal move_to_session");
        self.change(
            "UPDATE items SET session = ?2 WHERE id = ?1 AND state = 'pulling'",
            (id, session),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FileTotals, InventoryRow, StoreProgress};
    use crate::model::{FileFacts, ItemKind, SourcePath};

    fn facts(size: u64, time: Option<&str>) -> FileFacts {
        FileFacts {
            path: SourcePath::new("DCIM/B.MP4").unwrap(),
            size,
            modified: time.map(|time| time.parse().unwrap()),
            flagged: false,
            kind: ItemKind::Video,
        }
    }

    fn sealed(id: EvidenceId, session: SessionId) -> ItemRow {
        ItemRow {
            id,
            session,
            camera: None,
            facts: facts(9, None),
            state: ItemState::Sealed,
            wrapped_key: None,
            sealed: None,
            quarantine: None,
            log_index: None,
            storing: StoreProgress::Unconfirmed,
        }
    }

    #[test]
    fn a_file_that_was_listed_anew_is_not_secured_by_the_item_of_what_it_was_before() {
        let journal = Journal::in_memory("listed_anew").unwrap();
        let (session, id) = (SessionId::new(), EvidenceId::new());
        let list = |facts| {
            let rows = [InventoryRow { facts, rank: 0 }];
            journal.enter_inventory(session, &rows).unwrap();
        };
        let logged = [LoggedItem { id, index: 0 }];
        journal.mark_sealed(&[sealed(id, session)]).unwrap();
        for other in [facts(8, None), facts(9, Some("2020-01-01T00:00:00Z"))] {
            list(other);
            journal.mark_logged(&logged).unwrap();
            let counts = journal.inventory_counts(session).unwrap();
            assert_eq!(counts.pending.files, 1);
        }
        list(facts(9, None));
        journal.mark_logged(&logged).unwrap();
        assert_eq!(
            journal.inventory_counts(session).unwrap().secured,
            FileTotals { files: 1, bytes: 9 }
        );
    }

    #[test]
    fn the_proof_of_storage_goes_from_an_entry_to_a_receipt_to_its_place_in_the_log() {
        let journal = Journal::in_memory("storing").unwrap();
        let (session, id) = (SessionId::new(), EvidenceId::new());
        let storing = || journal.item(id).unwrap().unwrap().storing;
        journal.mark_sealed(&[sealed(id, session)]).unwrap();
        journal.mark_logged(&[LoggedItem { id, index: 3 }]).unwrap();
        assert_eq!(storing(), StoreProgress::Unconfirmed);
        let at = "2026-01-31T06:00:00Z".parse().unwrap();
        let facts = StoredFacts {
            at,
            entry: b"{}".to_vec(),
        };
        journal.mark_confirmed(id, &facts).unwrap();
        assert_eq!(storing(), StoreProgress::Confirmed(facts));
        let proof = StoredProof {
            index: 4,
            at,
            receipt: b"receipt".to_vec(),
        };
        journal.mark_stored(id, &proof, 5).unwrap();
        assert_eq!(journal.number("witnessed").unwrap(), Some(5));
        assert_eq!(journal.unreceipted().unwrap(), 1);
        assert_eq!(storing(), StoreProgress::Logged(proof));
        journal.mark_receipted(id).unwrap();
        journal.mark_released(id).unwrap();
        assert_eq!(storing(), StoreProgress::Receipted { index: 4, at });
        // Any other mixture of the columns is corruption.
        let broken = "UPDATE items SET stored_index = NULL";
        journal.lock().execute(broken, []).unwrap();
        let error = journal.item(id).unwrap_err();
        assert!(matches!(error, JournalError::Corrupt(_)), "{error}");
    }
}
