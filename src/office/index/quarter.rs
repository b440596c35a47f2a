//! What a quarter's report counts of one station.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Index, millis};
use crate::model::StationName;
use crate::office::OfficeError;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarterCounts {
    pub recordings: u64,
    pub files: u64,
    /// Of the recordings whose duration is known.
    pub duration_ms: u64,
    pub timed: u64,
    /// From docking to the last sealing, of each docking that sealed something.
    pub to_safe_ms: Vec<i64>,
    /// From docking to the last storing, of those of which all is stored.
    pub to_stored_ms: Vec<i64>,
    pub added_bytes: u64,
    pub stored_bytes: u64,
    /// All items of the log that were not deleted by rule.
    pub kept: Vec<KeptCounts>,
    pub first_entry: Option<u64>,
    pub last_entry: Option<u64>,
}

/// Items to which people gave the same class, or none, and which the camera flagged, or did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptCounts {
    pub class: Option<String>,
    pub flagged: bool,
    pub recordings: u64,
    pub files: u64,
    pub bytes: u64,
}

impl QuarterCounts {
    /// Another station's; the entries are of different logs, and belong to no sum.
    pub fn add(&mut self, other: &Self) {
        self.recordings += other.recordings;
        self.files += other.files;
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
        self.timed += other.timed;
        self.to_safe_ms.extend(&other.to_safe_ms);
        self.to_stored_ms.extend(&other.to_stored_ms);
        self.added_bytes = self.added_bytes.saturating_add(other.added_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(other.stored_bytes);
        self.kept.extend_from_slice(&other.kept);
        (self.first_entry, self.last_entry) = (None, None);
    }
}

impl Index {
    /// What was sealed and docked from a moment on, before another; `None` if there is no such station.
    pub fn quarter(
        &self,
        name: &StationName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<QuarterCounts>, OfficeError> {
        let mut connection = self.lock();
        let state = connection.transaction()?;
        let sql = "SELECT id FROM stations WHERE name = ?1";
        let station: Option<i64> = state
            .query_row(sql, [name.as_str()], |row| row.get(0))
            .optional()?;
        let Some(station) = station else {
            return Ok(None);
        };
        let within = params![station, millis(from), millis(to)];
        let count = |value: Option<i64>| value.map_or(0, |value| u64::try_from(value).unwrap_or(0));
        let mut counts = state.query_row(
            "SELECT count(*), sum(kind = 'video'), sum(duration) FILTER (WHERE kind = 'video'),
                 count(duration) FILTER (WHERE kind = 'video'), min(entry), max(entry)
             FROM items WHERE station = ?1 AND sealed >= ?2 AND sealed < ?3",
            within,
            |row| {
                Ok(QuarterCounts {
                    files: count(row.get(0)?),
                    recordings: count(row.get(1)?),
                    duration_ms: count(row.get(2)?),
                    timed: count(row.get(3)?),
                    first_entry: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
                    last_entry: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
                    ..QuarterCounts::default()
                })
            },
        )?;
        let sql = "SELECT total(o.size) FROM items i JOIN objects o ON o.station = i.station AND o.item = i.id
             WHERE i.station = ?1 AND i.sealed >= ?2 AND i.sealed < ?3";
        counts.added_bytes = state.query_row(sql, within, |row| bytes(row, 0))?;
        counts.kept = kept(&state, station)?;
        let sizes = counts.kept.iter().map(|kept| kept.bytes);
        counts.stored_bytes = sizes.fold(0, u64::saturating_add);
        let mut dockings = state.prepare(
            "SELECT s.docked_at, max(i.sealed), max(i.stored), sum(i.stored IS NULL)
             FROM items i JOIN sessions s ON s.id = i.session
             WHERE i.station = ?1 AND s.docked_at >= ?2 AND s.docked_at < ?3 GROUP BY s.id",
        )?;
        let dockings = dockings.query_map(within, |row| {
            let docked: i64 = row.get(0)?;
            let since = |at: Option<i64>| at.map(|at| at.saturating_sub(docked));
            let stored = since(row.get(2)?).filter(|_| row.get(3) == Ok(0));
            Ok((since(row.get(1)?), stored))
        })?;
        for docking in dockings {
            let (safe, stored) = docking?;
            counts.to_safe_ms.extend(safe);
            counts.to_stored_ms.extend(stored);
        }
        Ok(Some(counts))
    }
}

/// A sum of sizes; of hostile ones it does not overflow.
fn bytes(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let sum: f64 = row.get(at)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of sizes; the cast saturates"
    )]
    Ok(sum as u64)
}

fn kept(state: &Connection, station: i64) -> rusqlite::Result<Vec<KeptCounts>> {
    let mut groups = state.prepare_cached(
        "SELECT c.class, i.flagged, count(*), sum(i.kind = 'video'),
             total((SELECT total(o.size) FROM objects o WHERE o.station = i.station AND o.item = i.id))
         FROM items i LEFT JOIN classes c ON c.station = i.station AND c.item = i.id
         WHERE i.station = ?1 AND NOT EXISTS (
             SELECT 1 FROM disposals d WHERE d.station = i.station AND d.item = i.id AND d.disposed IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM earlier_disposals e WHERE e.station = i.station AND e.item = i.id)
         GROUP BY c.class, i.flagged",
    )?;
    let groups = groups.query_map([station], |row| {
        Ok(KeptCounts {
            class: row.get(0)?,
            flagged: row.get(1)?,
            files: row.get::<_, i64>(2)?.cast_unsigned(),
            recordings: row.get::<_, i64>(3)?.cast_unsigned(),
            bytes: bytes(row, 4)?,
        })
    })?;
    groups.collect()
}
