use jiff::Timestamp;
use rusqlite::Row;

use super::columns::{column, kind_name, kind_of, path_column};
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, FileFacts, SessionId, SourcePath};

/// What became of a file that was seen on a docked camera. None is ever silently dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pending,
    /// Sealed, durable and in the log.
    Secured,
    Held,
    /// Not taken; the reason is in the log.
    Failed,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Secured => "secured",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// One file of a dock session's inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryRow {
    pub facts: FileFacts,
    /// Order of taking: smaller first.
    pub rank: u8,
}

/// Files and bytes of a session by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InventoryCounts {
    pub pending: (u64, u64),
    pub secured: (u64, u64),
    pub held: (u64, u64),
    pub failed: (u64, u64),
}

impl InventoryCounts {
    pub const fn files(&self) -> u64 {
        self.pending.0 + self.secured.0 + self.held.0 + self.failed.0
    }

    pub const fn bytes(&self) -> u64 {
        self.pending.1 + self.secured.1 + self.held.1 + self.failed.1
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
                    session.as_bytes(),
                    facts.path.as_bytes(),
                    facts.size.cast_signed(),
                    facts.modified.map(|t| t.to_string()),
                    kind_name(facts.kind),
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

    pub fn unlogged_counts(&self, session: SessionId) -> Result<(u64, u64), JournalError> {
        let counts: (i64, i64) = self.lock().query_row(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM inventory WHERE session = ?1 AND logged = 0",
            [session.as_bytes()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok((counts.0.cast_unsigned(), counts.1.cast_unsigned()))
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
                statement.execute((session.as_bytes(), path.as_bytes()))?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// A file whose item was lost meanwhile, sealed file and all, stays to be taken.
    pub fn set_outcomes(
        &self,
        session: SessionId,
        outcome: Outcome,
        files: &[(SourcePath, Option<EvidenceId>)],
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
            for (path, item) in files {
                statement.execute((
                    session.as_bytes(),
                    path.as_bytes(),
                    outcome.name(),
                    item.map(|id| id.as_bytes().to_vec()),
                ))?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    pub fn inventory_counts(&self, session: SessionId) -> Result<InventoryCounts, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT outcome, COUNT(*), COALESCE(SUM(size), 0) FROM inventory WHERE session = ?1 GROUP BY outcome",
        )?;
        let mut counts = InventoryCounts::default();
        let mut rows = statement.query([session.as_bytes()])?;
        while let Some(row) = rows.next()? {
            let outcome: String = row.get(0)?;
            let of = (
                row.get::<_, i64>(1)?.cast_unsigned(),
                row.get::<_, i64>(2)?.cast_unsigned(),
            );
            match outcome.as_str() {
                "pending" => counts.pending = of,
                "secured" => counts.secured = of,
                "held" => counts.held = of,
                "failed" => counts.failed = of,
                _ => {
                    return Err(JournalError::Corrupt {
                        what: "an outcome",
                        value: outcome,
                    });
                }
            }
        }
        Ok(counts)
    }

    /// Files of all docked cameras that are still to be taken.
    pub fn pending(&self) -> Result<u64, JournalError> {
        let count: i64 = self.lock().query_row(
            "SELECT COUNT(*) FROM inventory WHERE outcome = 'pending'",
            [],
            |row| row.get(0),
        )?;
        Ok(count.cast_unsigned())
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
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT item FROM inventory WHERE session = ?1 AND outcome IN ('secured', 'held') AND item IS NOT NULL
             ORDER BY item",
        )?;
        let rows = statement.query_map([session.as_bytes()], |row| row.get::<_, [u8; 16]>(0))?;
        rows.map(|row| Ok(EvidenceId::from_bytes(row?))).collect()
    }

    fn inventory(
        &self,
        rest: &str,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT path, size, modified, kind, flagged, rank FROM inventory {rest}"
        ))?;
        let rows = statement.query_map((session.as_bytes(), limit), |row| Ok(read(row)))?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }
}

fn read(row: &Row<'_>) -> Result<InventoryRow, JournalError> {
    Ok(InventoryRow {
        facts: FileFacts {
            path: path_column(row, 0)?,
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            modified: row
                .get::<_, Option<String>>(2)?
                .map(|t| column::<Timestamp>(&t, "a file time"))
                .transpose()?,
            kind: kind_of(row.get(3)?)?,
            flagged: row.get(4)?,
        },
        rank: row.get(5)?,
    })
}
