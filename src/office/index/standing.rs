//! How a station stands in the index: what was read, and what the last looks at the bucket found.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;

use super::{FindingKind, Index, StationNumber, millis, time};
use crate::model::StationName;
use crate::office::OfficeError;

/// A station as the index has it, and as `camdock office status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StationRow {
    /// Entries that were read, and the time that the last one gives itself.
    pub indexed_entries: u64,
    pub last_entry: Option<Timestamp>,
    pub items: u64,
    /// Entries of kinds that this program does not know.
    pub unknown_entries: u64,
    /// Entries that make no sense, and the first of them in words.
    pub unfit_entries: u64,
    pub unfit_note: Option<String>,
    /// Items that wait for somebody's decision.
    pub undecided: u64,
    /// Items that were sealed more than a day ago and are not in the store.
    pub waiting: u64,
    /// What keeps the office from reading this station's entries or listing its objects.
    pub index_code: Option<String>,
    pub index_problem: Option<String>,
    /// When the last complete listing began and ended; `None` before the first.
    pub listed_from: Option<Timestamp>,
    pub listed: Option<Timestamp>,
    pub objects: u64,
    pub missing: u64,
    pub foreign: u64,
    pub wrong_size: u64,
    pub covered: u64,
    pub unlocked: u64,
    pub checksum: u64,
    /// When locks and checksums of all objects had been looked at; `None` before the first time.
    pub swept: Option<Timestamp>,
}

impl StationRow {
    /// How many of each kind were found.
    pub fn found(&self) -> [(FindingKind, u64); 6] {
        [
            (FindingKind::Missing, self.missing),
            (FindingKind::Foreign, self.foreign),
            (FindingKind::WrongSize, self.wrong_size),
            (FindingKind::Covered, self.covered),
            (FindingKind::Unlocked, self.unlocked),
            (FindingKind::Checksum, self.checksum),
        ]
    }

    /// Whether somebody should look at it.
    pub fn needs_somebody(&self) -> bool {
        self.index_code.is_some()
            || self.unfit_entries > 0
            || self.found().iter().any(|(_, count)| *count > 0)
    }
}

impl Index {
    /// The row of a station; `None` if there is none yet.
    pub fn row(
        &self,
        name: &StationName,
        now: Timestamp,
    ) -> Result<Option<(StationNumber, StationRow)>, OfficeError> {
        let day_ago = millis(now).saturating_sub(24 * 3_600_000);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, entries, last_entry, unknown, unfit, unfit_note, code, problem, listed_from, listed, objects, missing,
                 foreign_objects, wrong_size, swept_once,
                 items,
                 (SELECT count(*) FROM items i WHERE i.station = s.id AND undecided),
                 (SELECT count(*) FROM items i WHERE i.station = s.id AND stored IS NULL AND sealed < ?2)
             FROM stations s WHERE name = ?1",
        )?;
        let mut rows = statement.query(params![name.as_str(), day_ago])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let number = StationNumber(row.get(0)?);
        let swept = |kind: FindingKind| -> rusqlite::Result<u64> {
            let count: i64 = connection
                .prepare_cached(
                    "SELECT count(*) FROM findings WHERE station = ?1 AND kind = ?2 AND told",
                )?
                .query_row(params![number.0, kind.as_str()], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        let found = StationRow {
            indexed_entries: count(1)?,
            last_entry: time(row.get(2)?),
            unknown_entries: count(3)?,
            unfit_entries: count(4)?,
            unfit_note: row.get(5)?,
            index_code: row.get(6)?,
            index_problem: row.get(7)?,
            listed_from: time(row.get(8)?),
            listed: time(row.get(9)?),
            objects: count(10)?,
            missing: count(11)?,
            foreign: count(12)?,
            wrong_size: count(13)?,
            swept: time(row.get(14)?),
            items: count(15)?,
            undecided: count(16)?,
            waiting: count(17)?,
            covered: swept(FindingKind::Covered)?,
            unlocked: swept(FindingKind::Unlocked)?,
            checksum: swept(FindingKind::Checksum)?,
        };
        Ok(Some((number, found)))
    }

    /// How many entries of each station were read, and whether something keeps the office from reading on.
    pub fn read_so_far(&self) -> Result<HashMap<String, (u64, bool)>, OfficeError> {
        let connection = self.lock();
        let sql = "SELECT name, entries, code IS NOT NULL FROM stations";
        let mut stations = connection.prepare_cached(sql)?;
        let stations = stations.query_map([], |row| {
            let entries: i64 = row.get(1)?;
            Ok((row.get(0)?, (entries.cast_unsigned(), row.get(2)?)))
        })?;
        Ok(stations.collect::<Result<_, _>>()?)
    }

    /// Keeps what stands in the way of reading or listing; `None` when nothing does.
    pub fn tell(
        &self,
        station: StationNumber,
        problem: Option<(&str, &str)>,
    ) -> Result<(), OfficeError> {
        let (code, words) = problem.unzip();
        self.lock().execute(
            "UPDATE stations SET code = ?2, problem = ?3 WHERE id = ?1 AND (code IS NOT ?2 OR problem IS NOT ?3)",
            params![station.0, code, words],
        )?;
        Ok(())
    }

    /// When the last complete listing began.
    pub fn listed_from(&self, station: StationNumber) -> Result<Option<Timestamp>, OfficeError> {
        let sql = "SELECT listed_from FROM stations WHERE id = ?1";
        let at: Option<i64> = self.lock().query_row(sql, [station.0], |row| row.get(0))?;
        Ok(time(at))
    }
}
