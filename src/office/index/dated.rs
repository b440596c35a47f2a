//! When recordings were made: what the log says of the clocks, and the recordings of an officer with it.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Row, params};

use super::rows::Rows;
use super::take::EntryOutcome;
use super::{Index, SaidBy, tags, time};
use crate::model::{CameraClock, ClockState, EvidenceId, SessionId, StationName};
use crate::office::OfficeError;

/// The longest name of a time zone.
const ZONE_MAX: usize = 64;

/// A recording as the files of dispatch are compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedRecording {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub path: String,
    /// The camera's own time of the file, never corrected.
    pub recorded: Option<Timestamp>,
    pub sealed: Timestamp,
    pub duration: Option<SignedDuration>,
    pub clock: SessionClock,
    /// Who said its tags, if anybody did.
    pub tagged: Option<SaidBy>,
}

/// What the log says of the clocks at a docking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionClock {
    /// Seconds by which the camera's was ahead, measured.
    pub ahead: Option<i64>,
    /// By how many it was ahead at least, where nobody could measure it.
    pub ahead_at_least: Option<i64>,
    /// The zone of the camera's times, where its profile names one.
    pub zone: Option<String>,
    /// Whether the station's own clock was in order.
    pub synchronised: Option<bool>,
}

const OF_OFFICER: &str = "SELECT s.name, i.id, i.path, i.recorded, i.sealed, i.duration, e.clock_ahead, e.clock_bound, e.clock_zone,
     e.synchronised, i.station
 FROM items i JOIN stations s ON s.id = i.station LEFT JOIN sessions e ON e.id = i.session
 WHERE i.officer = (SELECT id FROM officers WHERE name = ?1) AND i.recording IS NULL AND i.kind != 'sidecar'";

impl Index {
    /// Shows the recordings of an officer one by one, until `see` has enough.
    pub fn recordings_of(
        &self,
        officer: &str,
        mut see: impl FnMut(DatedRecording) -> ControlFlow<()>,
    ) -> Result<(), OfficeError> {
        let connection = self.lock();
        let mut all = connection.prepare_cached(OF_OFFICER)?;
        let mut rows = all.query(params![officer])?;
        while let Some(row) = rows.next()? {
            let Some(mut recording) = dated(row)? else {
                continue;
            };
            let said = tags::tags(&connection, row.get(10)?, recording.evidence)?;
            recording.tagged = said.map(|said| said.source);
            if see(recording).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Rows<'_> {
    /// What was measured of the clocks when a docking began; the first measurement counts.
    pub fn clocks(
        &self,
        session: Option<SessionId>,
        camera: Option<&CameraClock>,
        station: Option<ClockState>,
    ) -> rusqlite::Result<EntryOutcome> {
        let Some(session) = session.filter(|_| camera.is_some() || station.is_some()) else {
            return Ok(EntryOutcome::Read);
        };
        let number = self.session_number(session)?;
        let zone = camera.and_then(|clock| clock.time_zone.as_deref());
        self.connection
            .prepare_cached(
                "UPDATE sessions SET clock_ahead = COALESCE(clock_ahead, ?2), clock_bound = COALESCE(clock_bound, ?3),
                     clock_zone = COALESCE(clock_zone, ?4), synchronised = COALESCE(synchronised, ?5) WHERE id = ?1",
            )?
            .execute(params![
                number,
                camera.and_then(|clock| clock.ahead_seconds),
                camera.and_then(|clock| clock.ahead_at_least_seconds),
                zone.filter(|zone| zone.len() <= ZONE_MAX),
                station.map(|clock| clock.synchronised),
            ])?;
        Ok(EntryOutcome::Read)
    }
}

/// `None` for a row of a station whose name is none.
fn dated(row: &Row<'_>) -> rusqlite::Result<Option<DatedRecording>> {
    let (Ok(station), Some(sealed)) = (row.get::<_, String>(0)?.parse(), time(row.get(4)?)) else {
        return Ok(None);
    };
    Ok(Some(DatedRecording {
        station,
        evidence: EvidenceId::from_bytes(row.get(1)?),
        path: row.get(2)?,
        recorded: time(row.get(3)?),
        sealed,
        duration: row
            .get::<_, Option<i64>>(5)?
            .map(SignedDuration::from_millis),
        clock: SessionClock {
            ahead: row.get(6)?,
            ahead_at_least: row.get(7)?,
            zone: row.get(8)?,
            synchronised: row.get(9)?,
        },
        tagged: None,
    }))
}
