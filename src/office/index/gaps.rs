//! What is missing between a station's cameras and its log, as it was last looked for, and what people explained of it since.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::rows::TEXT_MAX;
use super::take::cut;
use super::{Index, StationNumber, millis, time};
use crate::audit::Gap;
use crate::model::{EvidenceId, StationName};
use crate::office::OfficeError;

/// Gaps of one station that are kept one by one. All are counted.
const KEPT: usize = 1000;

/// A gap that nobody has explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownGap {
    pub gap: String,
    pub code: String,
    pub camera: Option<String>,
    pub officer: Option<String>,
    pub evidence: Option<EvidenceId>,
    pub since: Option<Timestamp>,
    pub what: String,
}

impl Index {
    /// Keeps what was found; `explained` were explained at the station.
    pub fn keep_gaps(
        &self,
        station: StationNumber,
        found: &[Gap],
        explained: u64,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        change.execute("DELETE FROM gaps WHERE station = ?1", [station.0])?;
        for gap in found.iter().take(KEPT) {
            let text = |text: &str| cut(text, TEXT_MAX).into_owned();
            let whole = |text: &str| cut(text, 4 * TEXT_MAX).into_owned();
            change
                .prepare_cached(
                    "INSERT OR REPLACE INTO gaps VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    station.0,
                    gap.gap,
                    gap.code.code(),
                    gap.camera.as_ref().map(|camera| text(camera.as_str())),
                    gap.officer.as_ref().map(|officer| text(&officer.0)),
                    gap.evidence.map(|id| id.as_bytes().to_vec()),
                    gap.since.map(millis),
                    whole(&gap.what)
                ])?;
        }
        let sql = "UPDATE stations SET gaps = ?2, gaps_explained = ?3, gaps_at = ?4 WHERE id = ?1";
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        let counts = params![station.0, count, explained.cast_signed(), millis(now)];
        change.execute(sql, counts)?;
        Ok(change.commit()?)
    }

    /// When they were last looked for.
    pub fn gaps_at(&self, station: StationNumber) -> Result<Option<Timestamp>, OfficeError> {
        let sql = "SELECT gaps_at FROM stations WHERE id = ?1";
        let at: Option<i64> = self.lock().query_row(sql, [station.0], |row| row.get(0))?;
        Ok(time(at))
    }

    /// The gaps of a station that nobody has explained, the oldest first.
    pub fn open_gaps(&self, name: &StationName, limit: u32) -> Result<Vec<KnownGap>, OfficeError> {
        let connection = self.lock();
        let mut gaps = connection.prepare_cached(
            "SELECT g.gap, g.code, g.camera, g.officer, g.item, g.since, g.what FROM gaps g JOIN stations s ON s.id = g.station
             WHERE s.name = ?1 AND NOT EXISTS (SELECT 1 FROM gap_acts a WHERE a.station = g.station AND a.gap = g.gap)
             ORDER BY g.since, g.gap LIMIT ?2",
        )?;
        let gaps = gaps.query_map(params![name.as_str(), limit], |row| {
            let id: Option<Vec<u8>> = row.get(4)?;
            let id = id.and_then(|id| id.try_into().ok());
            Ok(KnownGap {
                gap: row.get(0)?,
                code: row.get(1)?,
                camera: row.get(2)?,
                officer: row.get(3)?,
                evidence: id.map(EvidenceId::from_bytes),
                since: time(row.get(5)?),
                what: row.get(6)?,
            })
        })?;
        Ok(gaps.collect::<Result<_, _>>()?)
    }

    /// Whether a station has such a gap, explained or not.
    pub fn has_gap(&self, name: &StationName, gap: &str) -> Result<bool, OfficeError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM gaps g JOIN stations s ON s.id = g.station WHERE s.name = ?1 AND g.gap = ?2)";
        let known = params![name.as_str(), gap];
        Ok(self.lock().query_row(sql, known, |row| row.get(0))?)
    }
}

/// An act that explains a gap.
pub(super) fn explained(
    connection: &Connection,
    station: i64,
    gap: &str,
    entry: u64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO gap_acts VALUES (?1, ?2, ?3)";
    let mut act = connection.prepare_cached(sql)?;
    act.execute(params![station, gap, entry.cast_signed()])?;
    Ok(())
}
