//! What a quarter's report counts of one station.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

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
    pub first_entry: Option<u64>,
    pub last_entry: Option<u64>,
}

impl QuarterCounts {
    /// Another station's; the entries are of different logs, and belong to no sum.
    pub fn add(&mut self, other: Self) {
        self.recordings += other.recordings;
        self.files += other.files;
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
        self.timed += other.timed;
        self.to_safe_ms.extend(other.to_safe_ms);
        self.to_stored_ms.extend(other.to_stored_ms);
        self.added_bytes = self.added_bytes.saturating_add(other.added_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(other.stored_bytes);
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
        // Sums of hostile sizes do not overflow.
        let bytes = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<u64> {
            let sum: f64 = state.query_row(sql, values, |row| row.get(0))?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a sum of sizes; the cast saturates"
            )]
            Ok(sum as u64)
        };
        counts.added_bytes = bytes(
            "SELECT total(o.size) FROM items i JOIN objects o ON o.station = i.station AND o.item = i.id
             WHERE i.station = ?1 AND i.sealed >= ?2 AND i.sealed < ?3",
            within,
        )?;
        let all = "SELECT total(size) FROM objects WHERE station = ?1";
        counts.stored_bytes = bytes(all, params![station])?;
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
