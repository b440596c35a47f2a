//! The inventory of each open session: every file that was seen, and what became of it.

use rusqlite::Row;

use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, FileFacts, SessionId, SourcePath, written_as};

/// The outcome for a file that was seen on a docked camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOutcome {
    Pending,
    /// Sealed, durable and in the log.
    Secured,
    Held,
    /// Not taken; the reason is in the log.
    Failed,
}

written_as!(
    FileOutcome,
    "what became of a file",
    Pending = "pending",
    Secured = "secured",
    Held = "held",
    Failed = "failed",
);

/// One file of a dock session's inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryRow {
    pub facts: FileFacts,
    /// Order of taking: smaller first.
    pub rank: u8,
}

/// The outcome for one file, and the item that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryOutcome {
    pub path: SourcePath,
    pub item: Option<EvidenceId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileTotals {
    pub files: u64,
    pub bytes: u64,
}

/// A session's files by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InventoryCounts {
    pub pending: FileTotals,
    pub secured: FileTotals,
    pub held: FileTotals,
    pub failed: FileTotals,
}

impl InventoryCounts {
    pub const fn files(&self) -> u64 {
        self.pending.files + self.secured.files + self.held.files + self.failed.files
    }

    pub const fn bytes(&self) -> u64 {
        self.pending.bytes + self.secured.bytes + self.held.bytes + self.failed.bytes
    }
}

impl Journal {
    /// Enters what a listing saw. A file already there with the same size and time keeps its outcome; one that differs is
    /// pending again. Returns how many are new or changed.
    pub fn enter_inventory(
        &self,
        session: SessionId,
        rows: &[InventoryRow],
    ) -> Result<u64, JournalError> {
        step!("journal enter_inventory");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        let mut fresh = 0;
        {
            let mut statement = tx.prepare_cached(
                "INSERT INTO inventory (session, path, size, modified, kind, flagged, rank, outcome)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending')
                 ON CONFLICT (session, path) DO UPDATE SET size = ?3, modified = ?4, kind = ?5, flagged = ?6, rank = ?7,
                     outcome = 'pending', item = NULL, logged = 0
                 WHERE size <> ?3 OR modified IS NOT ?4",
            )?;
            for row in rows {
                let facts = &row.facts;
                fresh += statement.execute((
                    session,
                    &facts.path,
                    Unsigned(facts.size),
                    facts.modified.map(Time),
                    facts.kind,
                    facts.flagged,
                    row.rank,
                ))? as u64;
            }
        }
        tx.commit()?;
        Ok(fresh)
    }

    /// The next files to take, in order of rank, then oldest first.
    pub fn next_pending(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, JournalError> {
        self.inventory(
            "WHERE session = ?1 AND outcome = 'pending' ORDER BY rank, modified, path LIMIT ?2",
            session,
            limit,
        )
    }

    /// Files that no `inventory.taken` entry names yet, by path.
    pub fn unlogged_inventory(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, JournalError> {
        self.inventory(
            "WHERE session = ?1 AND logged = 0 ORDER BY path LIMIT ?2",
            session,
            limit,
        )
    }

    pub fn unlogged_totals(&self, session: SessionId) -> Result<FileTotals, JournalError> {
        let totals = self.row(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM inventory WHERE session = ?1 AND logged = 0",
            [session],
            |row| totals(row, 0),
        )?;
        Ok(totals.unwrap_or_default())
    }

    pub fn mark_inventory_logged(
        &self,
        session: SessionId,
        paths: &[SourcePath],
    ) -> Result<(), JournalError> {
        step!("journal mark_inventory_logged");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        {
            let mut statement = tx.prepare_cached(
                "UPDATE inventory SET logged = 1 WHERE session = ?1 AND path = ?2",
            )?;
            for path in paths {
                statement.execute((session, path))?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// A file whose item and sealed file were lost in the meantime stays to be taken.
    pub fn set_outcomes(
        &self,
        session: SessionId,
        outcome: FileOutcome,
        files: &[InventoryOutcome],
    ) -> Result<(), JournalError> {
        step!("journal set_outcomes");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        {
            let mut statement = tx.prepare_cached(
                "UPDATE inventory SET (outcome, item) = (
                     SELECT iif(lost, 'pending', ?3), iif(lost, NULL, ?4)
                     FROM (SELECT EXISTS (SELECT 1 FROM items WHERE id = ?4 AND state = 'failed') AS lost))
                 WHERE session = ?1 AND path = ?2",
            )?;
            for file in files {
                statement.execute((session, &file.path, outcome, file.item))?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    pub fn inventory_counts(&self, session: SessionId) -> Result<InventoryCounts, JournalError> {
        let groups = self.rows(
            "SELECT outcome, COUNT(*), COALESCE(SUM(size), 0) FROM inventory WHERE session = ?1 GROUP BY outcome",
            [session],
            |row| Ok((row.get("outcome")?, totals(row, 1)?)),
        )?;
        let mut counts = InventoryCounts::default();
        for (outcome, totals) in groups {
            match outcome {
                FileOutcome::Pending => counts.pending = totals,
                FileOutcome::Secured => counts.secured = totals,
                FileOutcome::Held => counts.held = totals,
                FileOutcome::Failed => counts.failed = totals,
            }
        }
        Ok(counts)
    }

    /// Files of all docked cameras that are still to be taken.
    pub fn pending(&self) -> Result<u64, JournalError> {
        self.count(
            "SELECT COUNT(*) FROM inventory WHERE outcome = 'pending'",
            [],
        )
    }

    /// Paths that are neither secured nor held, at most `limit`.
    pub fn missing(&self, session: SessionId, limit: u32) -> Result<Vec<SourcePath>, JournalError> {
        let rows = self.inventory(
            "WHERE session = ?1 AND outcome IN ('pending', 'failed') ORDER BY path LIMIT ?2",
            session,
            limit,
        )?;
        Ok(rows.into_iter().map(|row| row.facts.path).collect())
    }

    /// The items that a session's files are, taken in it or held from an earlier one, each once.
    pub fn items_seen(&self, session: SessionId) -> Result<Vec<EvidenceId>, JournalError> {
        self.rows(
            "SELECT DISTINCT item FROM inventory WHERE session = ?1 AND outcome IN ('secured', 'held') AND item IS NOT NULL
             ORDER BY item",
            [session],
            |row| row.get("item"),
        )
    }

    fn inventory(
        &self,
        condition: &str,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, JournalError> {
        self.rows(
            &format!("SELECT path, size, modified, kind, flagged, rank FROM inventory {condition}"),
            (session, limit),
            read,
        )
    }
}

/// A count and a sum of sizes, from this column on.
fn totals(row: &Row<'_>, first: usize) -> rusqlite::Result<FileTotals> {
    Ok(FileTotals {
        files: row.get::<_, Unsigned>(first)?.0,
        bytes: row.get::<_, Unsigned>(first + 1)?.0,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<InventoryRow> {
    Ok(InventoryRow {
        facts: FileFacts {
            path: row.get("path")?,
            size: row.get::<_, Unsigned>("size")?.0,
            modified: row.get::<_, Option<Time>>("modified")?.map(|t| t.0),
            kind: row.get("kind")?,
            flagged: row.get("flagged")?,
        },
        rank: row.get("rank")?,
    })
}
