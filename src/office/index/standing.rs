//! How a station stands in the index: what was read, and what the last looks at the bucket found.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::findings::findings;
use super::{FindingKind, Index, NamedFinding, StationNumber, classes, holds, millis, time};
use crate::model::StationName;
use crate::office::OfficeError;

/// A station's row, and its findings one by one.
pub type StationFindings = (StationRow, Vec<NamedFinding>);

/// A station as the index has it, and as `camdock office status --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StationRow {
    /// Entries that were read, and the time that the last one gives itself.
    pub indexed_entries: u64,
    pub last_entry: Option<Timestamp>,
    pub items: u64,
    /// Recipients that the station sealed to when it last started; `None` before its log says so.
    pub recipients: Option<u64>,
    /// Entries of kinds that this program does not know.
    pub unknown_entries: u64,
    /// Entries that make no sense, and the first of them in words.
    pub unfit_entries: u64,
    pub unfit_note: Option<String>,
    /// Items that wait for somebody's decision.
    pub undecided: u64,
    /// Items that were sealed more than a day ago and are not in the store.
    pub waiting: u64,
    /// What is missing between cameras and log, and nobody has explained; what somebody has; and when it was last looked for.
    pub gaps: u64,
    pub gaps_explained: u64,
    pub gaps_at: Option<Timestamp>,
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
    /// Items of which the store does not say that it follows their holds.
    pub not_held: u64,
    /// Items whose locks the store did not renew, and those of them that end within 30 days.
    pub locks_refused: u64,
    pub locks_ending: u64,
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
            || self.not_held + self.locks_refused > 0
            || self.found().iter().any(|(_, count)| *count > 0)
    }
}

impl Index {
    /// The row of a station; `None` if there is none yet.
    pub fn row(
        &self,
        name: &StationName,
        now: Timestamp,
    ) -> Result<Option<StationRow>, OfficeError> {
        let found = row(&self.lock(), name, now)?;
        Ok(found.map(|(_, row)| row))
    }

    /// The row, and the findings that it counts, at most so many of each kind. Both are of one state of the index.
    pub fn row_with_findings(
        &self,
        name: &StationName,
        now: Timestamp,
        of_each_kind: u32,
    ) -> Result<Option<StationFindings>, OfficeError> {
        let mut connection = self.lock();
        let connection = connection.transaction()?;
        let Some((number, row)) = row(&connection, name, now)? else {
            return Ok(None);
        };
        Ok(Some((row, findings(&connection, number, of_each_kind)?)))
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

fn row(
    connection: &Connection,
    name: &StationName,
    now: Timestamp,
) -> rusqlite::Result<Option<(StationNumber, StationRow)>> {
    let day_ago = millis(now).saturating_sub(24 * 3_600_000);
    let mut statement = connection.prepare_cached(
        "SELECT id, entries, last_entry, unknown, unfit, unfit_note, code, problem, listed_from, listed, objects, missing,
             foreign_objects, wrong_size, swept_once,
             items, recipients,
             (SELECT count(*) FROM items i WHERE i.station = s.id AND undecided),
             (SELECT count(*) FROM items i WHERE i.station = s.id AND stored IS NULL AND sealed < ?2),
             gaps, gaps_explained, gaps_at,
             (SELECT count(*) FROM gaps g JOIN gap_acts a ON a.station = g.station AND a.gap = g.gap WHERE g.station = s.id)
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
    let (locks_refused, locks_ending) = classes::in_trouble(connection, number.0)?;
    let found = StationRow {
        locks_refused,
        locks_ending,
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
        recipients: row.get::<_, Option<i64>>(16)?.map(i64::cast_unsigned),
        undecided: count(17)?,
        waiting: count(18)?,
        gaps: count(19)?.saturating_sub(count(22)?),
        gaps_explained: count(20)? + count(22)?,
        gaps_at: time(row.get(21)?),
        not_held: holds::not_followed(connection, number.0)?,
        covered: swept(FindingKind::Covered)?,
        unlocked: swept(FindingKind::Unlocked)?,
        checksum: swept(FindingKind::Checksum)?,
    };
    Ok(Some((number, found)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::office::index::{Found, ListingResult};

    #[test]
    fn a_row_counts_the_findings_that_are_shown_with_it_also_while_a_listing_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.db");
        let name: StationName = "one".parse().unwrap();
        let writer = Index::open(&file).unwrap();
        let number = writer.station(&name).unwrap();
        let found = |kind: FindingKind| Found {
            kind,
            key: format!("evidence/one/x/{}", kind.as_str()),
            item: None,
            what: String::new(),
            patience: None,
        };
        let kinds = [
            FindingKind::Missing,
            FindingKind::Foreign,
            FindingKind::WrongSize,
        ];
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writing = thread::spawn(move || {
            for round in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let began = Timestamp::from_millisecond(round).unwrap();
                let found = if round % 2 == 0 {
                    kinds.map(found).into()
                } else {
                    Vec::new()
                };
                let listing = ListingResult {
                    began,
                    ended: began,
                    objects: 0,
                    whole: true,
                    found,
                    unnamed: Vec::new(),
                };
                writer.finish_listing(number, &listing).unwrap();
            }
        });
        let reader = Index::open_read_only(&file).unwrap().unwrap();
        let mut seen = [false; 2];
        for _ in 0..1000 {
            let read = reader.row_with_findings(&name, Timestamp::now(), 9);
            let (row, findings) = read.unwrap().unwrap();
            for (kind, count) in row.found() {
                let shown = findings.iter().filter(|finding| finding.kind == kind);
                assert_eq!(shown.count() as u64, count, "{row:?} {findings:?}");
            }
            seen[usize::from(row.missing > 0)] = true;
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap();
        assert_eq!(seen, [true, true]);
    }
}
