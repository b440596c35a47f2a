use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row};

use super::columns::{column, id_column, kind_name, kind_of, path_column, state_name, state_of};
use super::sessions::camera;
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{CameraId, EvidenceId, FileFacts, ItemState, SessionId, Sha256Digest};

/// One item and where it stands on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemRow {
    pub id: EvidenceId,
    pub session: SessionId,
    pub camera: Option<CameraId>,
    pub facts: FileFacts,
    pub state: ItemState,
    /// The item key under the station's wrap key; `None` once released.
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed: Option<SealedFacts>,
    pub quarantine: Option<String>,
    pub log_index: Option<u64>,
    /// Before `stored`: the `item.stored` entry's exact bytes. From then on: the receipt, until the store has it.
    pub stored_entry: Option<Vec<u8>>,
    pub stored_index: Option<u64>,
    pub stored_at: Option<Timestamp>,
}

/// What is known once an item is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFacts {
    pub sha256: Sha256Digest,
    pub sealed_size: u64,
    /// The item key sealed to the recipients: a small message that is stored beside the object.
    pub item_key_message: Vec<u8>,
    /// The log entry's exact bytes.
    pub manifest: Vec<u8>,
}

/// What is known once the store has an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts {
    pub id: EvidenceId,
    pub entry: Vec<u8>,
    pub at: Timestamp,
}

/// An earlier item of the same camera with the same path, size and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldItem {
    pub id: EvidenceId,
    pub state: ItemState,
}

pub(super) const TOTALS: &str =
    "SELECT state, items, bytes FROM totals WHERE items > 0 ORDER BY state";

/// Named, as SQLite would sort the whole queue each time.
pub(super) const TO_UPLOAD: &str = "INDEXED BY items_to_upload WHERE state IN ('logged', 'uploading') \
    ORDER BY (sealed_size > 8388608), flagged DESC, id LIMIT ?1";

/// Of one session: what was taken in it, and what it holds from an earlier one.
pub(super) const UNSTORED: &str = "SELECT
    (SELECT COUNT(*) FROM listing WHERE session = ?1 AND state IN ('sealed', 'logged', 'uploading'))
    + (SELECT COUNT(*) FROM (SELECT DISTINCT item FROM inventory WHERE session = ?1 AND item IS NOT NULL) v
       CROSS JOIN listing l ON l.id = v.item WHERE l.session <> ?1 AND l.state IN ('sealed', 'logged', 'uploading'))";

impl Journal {
    /// Enters an item that is about to be pulled.
    pub fn begin_item(&self, item: &ItemRow) -> Result<(), JournalError> {
        step!("journal begin_item");
        // Lost: the partial spool file is removed and the file pulled from its beginning.
        self.unsynced(|connection| insert(connection, item))
    }

    /// Commit step 2: the items' spool files are synced; what was sealed is durable here, all of it or nothing.
    pub fn mark_sealed(&self, items: &[ItemRow]) -> Result<(), JournalError> {
        step!("journal mark_sealed");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for item in items {
            tx.prepare_cached("DELETE FROM items WHERE id = ?1 AND state = 'pulling'")?
                .execute([item.id.as_bytes()])?;
            insert(&tx, item)?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Commit step 3, after the log's sync: entries stand at these indexes, and their inventory rows are secured, unless
    /// the file was listed as another one meanwhile.
    pub fn mark_logged(&self, items: &[(EvidenceId, u64)]) -> Result<(), JournalError> {
        step!("journal mark_logged");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        for (id, index) in items {
            let changed = tx
                .prepare_cached("UPDATE items SET state = 'logged', log_index = ?2 WHERE id = ?1 AND state = 'sealed'")?
                .execute((id.as_bytes(), index.cast_signed()))?;
            if changed == 0 {
                let found: Option<String> = tx
                    .query_row(
                        "SELECT state FROM items WHERE id = ?1",
                        [id.as_bytes()],
                        |row| row.get(0),
                    )
                    .optional()?;
                let found = found.unwrap_or_else(|| "unknown".into());
                // Replayed by recovery: being further along is fine.
                if matches!(found.as_str(), "unknown" | "pulling") {
                    return Err(JournalError::IllegalStep {
                        id: id.to_string(),
                        found,
                        wanted: "logged",
                    });
                }
            }
            tx.prepare_cached(
                "UPDATE inventory SET outcome = 'secured', item = ?1 WHERE (session, path) =
                 (SELECT session, path FROM items WHERE id = ?1) AND outcome = 'pending'
                 AND (size, modified) IS (SELECT size, modified FROM items WHERE id = ?1)",
            )?
            .execute([id.as_bytes()])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// The store has it: the entry's bytes are durable here before they go to the log.
    pub fn mark_storing(&self, stored: &StoredFacts) -> Result<(), JournalError> {
        step!("journal mark_storing");
        self.lock().execute(
            "UPDATE items SET stored_entry = ?2, stored_at = ?3 WHERE id = ?1 AND stored_index IS NULL",
            (stored.id.as_bytes(), &stored.entry, stored.at.to_string()),
        )?;
        Ok(())
    }

    /// The `item.stored` entry is in the log at this index; its receipt names a log of `size` entries. The receipt is kept until the store has it, so that a repeated
    /// put sends the same bytes.
    pub fn mark_stored(
        &self,
        id: EvidenceId,
        index: u64,
        (receipt, size): (&[u8], u64),
    ) -> Result<(), JournalError> {
        step!("journal mark_stored");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.prepare_cached(
            "INSERT INTO numbers (name, value) VALUES ('witnessed', ?1)
             ON CONFLICT (name) DO UPDATE SET value = MAX(value, ?1)",
        )?
        .execute([size.cast_signed()])?;
        tx.execute(
            "UPDATE items SET state = 'stored', stored_index = ?2, stored_entry = ?3
             WHERE id = ?1 AND state IN ('logged', 'uploading')",
            (id.as_bytes(), index.cast_signed(), receipt),
        )?;
        tx.commit()?;
        Ok(())
    }

    /// The store has the receipt too.
    pub fn mark_receipted(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal mark_receipted");
        self.lock().execute(
            "UPDATE items SET stored_entry = NULL WHERE id = ?1 AND state = 'stored'",
            [id.as_bytes()],
        )?;
        Ok(())
    }

    /// The item's key is erased and its spool file may go.
    pub fn mark_released(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal mark_released");
        self.lock().execute(
            "UPDATE items SET state = 'released', wrapped_key = NULL, stored_entry = NULL, item_key_message = NULL
             WHERE id = ?1 AND state = 'stored'",
            [id.as_bytes()],
        )?;
        Ok(())
    }

    /// Forgets an item whose partial spool file was thrown away; sealed ones are never forgotten.
    pub fn drop_pulling(&self, id: EvidenceId) -> Result<(), JournalError> {
        step!("journal drop_pulling");
        self.lock().execute(
            "DELETE FROM items WHERE id = ?1 AND state = 'pulling'",
            [id.as_bytes()],
        )?;
        Ok(())
    }

    /// The newest item that already is this file of this camera; never matches without a time.
    pub fn held(
        &self,
        camera: &CameraId,
        facts: &FileFacts,
    ) -> Result<Option<HeldItem>, JournalError> {
        let Some(modified) = facts.modified else {
            return Ok(None);
        };
        let connection = self.lock();
        let found: Option<([u8; 16], String)> = connection
            .prepare_cached(
                "SELECT id, state FROM items WHERE camera = ?1 AND path = ?2 AND size = ?3 AND modified = ?4
                 AND state IN ('logged', 'uploading', 'stored', 'released') ORDER BY id DESC LIMIT 1",
            )?
            .query_row(
                (camera.as_str(), facts.path.as_bytes(), facts.size.cast_signed(), modified.to_string()),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        found
            .map(|(id, state)| {
                Ok(HeldItem {
                    id: EvidenceId::from_bytes(id),
                    state: state_of(&state)?,
                })
            })
            .transpose()
    }

    /// An interrupted pull of this very file that may be resumed.
    pub fn resumable(
        &self,
        camera: &CameraId,
        facts: &FileFacts,
    ) -> Result<Option<ItemRow>, JournalError> {
        let connection = self.lock();
        let row = connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM items WHERE camera = ?1 AND path = ?2 AND size = ?3 AND modified IS ?4
                 AND state = 'pulling' ORDER BY id DESC LIMIT 1"
            ))?
            .query_row(
                (
                    camera.as_str(),
                    facts.path.as_bytes(),
                    facts.size.cast_signed(),
                    facts.modified.map(|t| t.to_string()),
                ),
                |row| Ok(read(row)),
            )
            .optional()?;
        row.transpose()
    }

    /// A resumed item belongs to the session that goes on with it.
    pub fn move_to_session(&self, id: EvidenceId, session: SessionId) -> Result<(), JournalError> {
        step!("journal move_to_session");
        self.lock().execute(
            "UPDATE items SET session = ?2 WHERE id = ?1 AND state = 'pulling'",
            (id.as_bytes(), session.as_bytes()),
        )?;
        Ok(())
    }

    pub fn item(&self, id: EvidenceId) -> Result<Option<ItemRow>, JournalError> {
        let connection = self.lock();
        let row = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM items WHERE id = ?1"))?
            .query_row([id.as_bytes()], |row| Ok(read(row)))
            .optional()?;
        row.transpose()
    }

    /// Items in any of these states after `after`, by id (which is by age), at most `limit`.
    pub fn items_in(
        &self,
        states: &[ItemState],
        after: Option<EvidenceId>,
        limit: u32,
    ) -> Result<Vec<ItemRow>, JournalError> {
        let states: Vec<String> = states
            .iter()
            .map(|s| format!("'{}'", state_name(*s)))
            .collect();
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        self.items(
            &format!(
                "WHERE state IN ({}) AND id > ?1 ORDER BY id LIMIT ?2",
                states.join(",")
            ),
            &[Value::Blob(after.to_vec()), Value::Integer(limit.into())],
        )
    }

    /// Items to upload: metadata and small files before bulk, flagged first, then oldest; those in `busy` left out by the caller.
    pub fn to_upload(&self, limit: u32) -> Result<Vec<ItemRow>, JournalError> {
        self.items(TO_UPLOAD, &[Value::Integer(limit.into())])
    }

    /// Items and bytes by state.
    pub fn state_counts(&self) -> Result<Vec<(ItemState, u64, u64)>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(TOTALS)?;
        let mut rows = statement.query([])?;
        let mut counts = Vec::new();
        while let Some(row) = rows.next()? {
            let state: String = row.get(0)?;
            counts.push((
                state_of(&state)?,
                row.get::<_, i64>(1)?.cast_unsigned(),
                row.get::<_, i64>(2)?.cast_unsigned(),
            ));
        }
        Ok(counts)
    }

    /// Items whose receipt is not yet in the store.
    pub fn unreceipted(&self) -> Result<u64, JournalError> {
        let count: i64 = self.lock().query_row(
            "SELECT COUNT(*) FROM items WHERE state = 'stored' AND stored_entry IS NOT NULL",
            [],
            |row| row.get(0),
        )?;
        Ok(count.cast_unsigned())
    }

    /// How many of a session's files are not yet in the store: those taken in it, and those held from an earlier one.
    pub fn unstored_of(&self, session: SessionId) -> Result<u64, JournalError> {
        let count: i64 = self
            .lock()
            .prepare_cached(UNSTORED)?
            .query_row([session.as_bytes()], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    pub(super) fn items(&self, rest: &str, values: &[Value]) -> Result<Vec<ItemRow>, JournalError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM items {rest}"))?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| Ok(read(row)))?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }
}

const COLUMNS: &str = "id, session, camera, path, size, modified, kind, flagged, state, wrapped_key, sha256, sealed_size, \
                       item_key_message, manifest, quarantine, log_index, stored_entry, stored_index, stored_at";

pub(super) fn insert(
    connection: &rusqlite::Connection,
    item: &ItemRow,
) -> Result<(), JournalError> {
    let sealed = item.sealed.as_ref();
    connection
        .prepare_cached(&format!(
            "INSERT INTO items ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        ))?
        .execute(rusqlite::params![
            item.id.as_bytes(),
            item.session.as_bytes(),
            item.camera.as_ref().map(CameraId::as_str),
            item.facts.path.as_bytes(),
            item.facts.size.cast_signed(),
            item.facts.modified.map(|t| t.to_string()),
            kind_name(item.facts.kind),
            item.facts.flagged,
            state_name(item.state),
            item.wrapped_key,
            sealed.map(|s| s.sha256.0),
            sealed.map(|s| s.sealed_size.cast_signed()),
            sealed.map(|s| &s.item_key_message),
            sealed.map(|s| &s.manifest),
            item.quarantine,
            item.log_index.map(u64::cast_signed),
            item.stored_entry,
            item.stored_index.map(u64::cast_signed),
            item.stored_at.map(|t| t.to_string()),
        ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<ItemRow, JournalError> {
    let time = |index| -> Result<Option<Timestamp>, JournalError> {
        row.get::<_, Option<String>>(index)?
            .map(|t| column(&t, "a time"))
            .transpose()
    };
    let sha256: Option<[u8; 32]> = row.get(10)?;
    let sealed = match sha256 {
        None => None,
        Some(digest) => Some(SealedFacts {
            sha256: Sha256Digest(digest),
            sealed_size: row.get::<_, i64>(11)?.cast_unsigned(),
            item_key_message: row.get::<_, Option<Vec<u8>>>(12)?.unwrap_or_default(),
            manifest: row.get(13)?,
        }),
    };
    Ok(ItemRow {
        id: EvidenceId::from_bytes(id_column(row, 0, "evidence id")?),
        session: SessionId::from_bytes(id_column(row, 1, "session id")?),
        camera: camera(row.get(2)?)?,
        facts: FileFacts {
            path: path_column(row, 3)?,
            size: row.get::<_, i64>(4)?.cast_unsigned(),
            modified: time(5)?,
            kind: kind_of(row.get(6)?)?,
            flagged: row.get(7)?,
        },
        state: state_of(&row.get::<_, String>(8)?)?,
        wrapped_key: row.get(9)?,
        sealed,
        quarantine: row.get(14)?,
        log_index: row.get::<_, Option<i64>>(15)?.map(i64::cast_unsigned),
        stored_entry: row.get(16)?,
        stored_index: row.get::<_, Option<i64>>(17)?.map(i64::cast_unsigned),
        stored_at: time(18)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::InventoryRow;
    use crate::model::{ItemKind, SourcePath};

    #[test]
    fn a_file_that_was_listed_anew_is_not_secured_by_the_item_of_what_it_was_before() {
        let journal = Journal::in_memory("listed_anew").unwrap();
        let (session, id) = (SessionId::new(), EvidenceId::new());
        let facts = |size, time: Option<&str>| FileFacts {
            path: SourcePath::new("DCIM/B.MP4").unwrap(),
            size,
            modified: time.map(|time| time.parse().unwrap()),
            flagged: false,
            kind: ItemKind::Video,
        };
        let list = |facts| {
            let rows = [InventoryRow { facts, rank: 0 }];
            journal.enter_inventory(session, &rows).unwrap();
        };
        let item = ItemRow {
            id,
            session,
            camera: None,
            facts: facts(9, None),
            state: ItemState::Sealed,
            wrapped_key: None,
            sealed: None,
            quarantine: None,
            log_index: None,
            stored_entry: None,
            stored_index: None,
            stored_at: None,
        };
        journal.mark_sealed(&[item]).unwrap();
        for other in [facts(8, None), facts(9, Some("2020-01-01T00:00:00Z"))] {
            list(other);
            journal.mark_logged(&[(id, 0)]).unwrap();
            let counts = journal.inventory_counts(session).unwrap();
            assert_eq!(counts.pending.0, 1);
        }
        list(facts(9, None));
        journal.mark_logged(&[(id, 0)]).unwrap();
        assert_eq!(journal.inventory_counts(session).unwrap().secured, (1, 9));
    }
}
