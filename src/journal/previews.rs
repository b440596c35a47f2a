//! The progress of each item's previews.

use jiff::Timestamp;
use rusqlite::Row;

use super::sql::Time;
use super::{ItemRow, Journal, JournalError};
use crate::failpoint::step;
use crate::model::{Entry, Event, EvidenceId, Part, written_as};

/// The progress of one preview of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    pub item: EvidenceId,
    pub part: Part,
    pub state: PreviewState,
    /// The number of times that a worker was started for it.
    pub attempts: u32,
    /// Once made: what the worker reported, as JSON.
    pub report: Option<String>,
    /// Once entered: the log entry's exact bytes.
    pub entry: Option<Vec<u8>>,
}

/// The progress of a preview. One that is not in the journal is still to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewState {
    /// A worker was started; after a restart it is made again.
    Trying,
    /// Sealed and durable in the spool.
    Made,
    /// It is in the store, or it failed or was skipped; only its log entry is missing.
    Entered,
    /// In the log.
    Done,
}

written_as!(
    PreviewState,
    "a preview's state",
    Trying = "trying",
    Made = "made",
    Entered = "entered",
    Done = "done",
);

/// Every item has both once it is done with previews.
const PARTS: [Part; 2] = [Part::Storyboard, Part::Preview];
const COLUMNS: &str = "item, part, state, attempts, report, entry";
/// Both previews of the item are in the log.
const SETTLED: &str =
    "(SELECT COUNT(*) FROM previews WHERE item = items.id AND state = 'done') = 2";
const DISPOSED: &str = "EXISTS (SELECT 1 FROM disposals WHERE disposals.item = items.id)";

impl Journal {
    /// Recordings that lack this preview, flagged first, then oldest. A proxy is due once the storyboard was dealt with.
    pub fn to_preview(&self, part: Part, limit: u32) -> Result<Vec<ItemRow>, JournalError> {
        let before = if part == Part::Preview {
            "AND EXISTS (SELECT 1 FROM previews WHERE item = items.id AND part = 'storyboard' AND state <> 'trying')"
        } else {
            ""
        };
        self.items(
            &format!(
                "WHERE kind = 'video' AND state IN ('logged', 'uploading', 'stored') AND NOT EXISTS
                 (SELECT 1 FROM previews WHERE item = items.id AND part = ?1 AND state <> 'trying') AND NOT {DISPOSED} {before}
                 ORDER BY flagged DESC, id LIMIT ?2"
            ),
            (part, limit),
        )
    }

    /// Stored items with something left to do: a receipt to put, or, once nothing needs them any more, to be released.
    /// `with_previews`: recordings wait for theirs. `kept_since`: what was stored later stays on the station for now. What was deleted by
    /// rule waits for neither.
    pub fn to_settle(
        &self,
        with_previews: bool,
        kept_since: Timestamp,
        limit: u32,
    ) -> Result<Vec<ItemRow>, JournalError> {
        let ready = if with_previews {
            format!(
                "AND (stored_receipt IS NOT NULL OR kind <> 'video' OR {SETTLED} OR {DISPOSED})"
            )
        } else {
            String::new()
        };
        self.items(
            &format!(
                "WHERE state = 'stored' {ready}
                 AND (stored_receipt IS NOT NULL OR stored_at <= ?2 OR {DISPOSED}) ORDER BY id LIMIT ?1"
            ),
            (limit, Time(kept_since)),
        )
    }

    pub fn previews_settled(&self, item: EvidenceId) -> Result<bool, JournalError> {
        Ok(self.lock().query_row(
            &format!("SELECT kind <> 'video' OR {SETTLED} FROM items WHERE id = ?1"),
            [item],
            |row| row.get(0),
        )?)
    }

    /// The number of previews that are still to be made or to be entered in the log.
    pub fn previews_pending(&self) -> Result<u64, JournalError> {
        self.count(
            "SELECT COALESCE(SUM(2 - (SELECT COUNT(*) FROM previews WHERE item = items.id AND state = 'done')), 0)
             FROM items WHERE kind = 'video' AND state IN ('sealed', 'logged', 'uploading', 'stored')",
            [],
        )
    }

    pub fn preview(
        &self,
        item: EvidenceId,
        part: Part,
    ) -> Result<Option<PreviewRow>, JournalError> {
        self.row(
            &format!("SELECT {COLUMNS} FROM previews WHERE item = ?1 AND part = ?2"),
            (item, part),
            read,
        )
    }

    /// Previews that are made and not yet in the log, oldest first. Of what was deleted by rule, nothing is put into the store any more.
    pub fn previews_to_deliver(&self, limit: u32) -> Result<Vec<PreviewRow>, JournalError> {
        self.rows(
            &format!(
                "SELECT {COLUMNS} FROM previews WHERE state = 'entered' OR state = 'made' AND NOT EXISTS
                 (SELECT 1 FROM disposals WHERE disposals.item = previews.item) ORDER BY part DESC, item LIMIT ?1"
            ),
            [limit],
            read,
        )
    }

    /// Notes that a worker starts; returns how many have, this one included.
    pub fn try_preview(&self, item: EvidenceId, part: Part) -> Result<u32, JournalError> {
        step!("journal try_preview");
        Ok(self.lock().query_row(
            "INSERT INTO previews (item, part, state, attempts) VALUES (?1, ?2, 'trying', 1)
             ON CONFLICT (item, part) DO UPDATE SET state = 'trying', attempts = attempts + 1, report = NULL, entry = NULL
             RETURNING attempts",
            (item, part),
            |row| row.get(0),
        )?)
    }

    /// The attempt did not count: it was stopped in order.
    pub fn untry_preview(&self, item: EvidenceId, part: Part) -> Result<(), JournalError> {
        step!("journal untry_preview");
        self.lock().execute(
            "UPDATE previews SET attempts = MAX(attempts - 1, 0) WHERE item = ?1 AND part = ?2 AND state = 'trying'",
            (item, part),
        )?;
        Ok(())
    }

    /// The sealed preview is durable in the spool.
    pub fn preview_made(
        &self,
        item: EvidenceId,
        part: Part,
        report: &str,
    ) -> Result<(), JournalError> {
        step!("journal preview_made");
        self.set_preview(item, part, PreviewState::Made, Some(report), None)
    }

    /// Its log entry's bytes are durable here before they go to the log.
    pub fn preview_entered(
        &self,
        item: EvidenceId,
        part: Part,
        entry: &[u8],
    ) -> Result<(), JournalError> {
        step!("journal preview_entered");
        self.set_preview(item, part, PreviewState::Entered, None, Some(entry))?;
        let length = match serde_json::from_slice(entry) {
            Ok(Entry {
                event: Event::ItemPreviewed(previewed),
                ..
            }) => previewed.probe.and_then(|probe| probe.duration_ms),
            _ => None,
        };
        let Some(duration) = length.and_then(|ms| i64::try_from(ms).ok()) else {
            return Ok(());
        };
        // If this is lost, a page shows no length.
        self.unsynced(|connection| {
            connection.execute(
                "UPDATE previews SET duration = ?3 WHERE item = ?1 AND part = ?2",
                (item, part, duration),
            )?;
            Ok(())
        })
    }

    pub fn preview_done(&self, item: EvidenceId, part: Part) -> Result<(), JournalError> {
        step!("journal preview_done");
        self.set_preview(item, part, PreviewState::Done, None, None)
    }

    /// Where nothing is to be made at all, without an entry of its own.
    pub fn previews_done(&self, item: EvidenceId) -> Result<(), JournalError> {
        PARTS
            .iter()
            .try_for_each(|part| self.preview_done(item, *part))
    }

    fn set_preview(
        &self,
        item: EvidenceId,
        part: Part,
        state: PreviewState,
        report: Option<&str>,
        entry: Option<&[u8]>,
    ) -> Result<(), JournalError> {
        self.lock().execute(
            "INSERT INTO previews (item, part, state, attempts, report, entry) VALUES (?1, ?2, ?3, 0, ?4, ?5)
             ON CONFLICT (item, part) DO UPDATE SET state = ?3, report = ?4, entry = ?5",
            (item, part, state, report, entry),
        )?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PreviewRow> {
    Ok(PreviewRow {
        item: row.get("item")?,
        part: row.get("part")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        report: row.get("report")?,
        entry: row.get("entry")?,
    })
}
