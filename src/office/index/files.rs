//! Files of cameras as people get them.

use rusqlite::{Connection, Row, params};

use super::criteria::Criteria;
use super::{holds, tags, time};
use crate::model::EvidenceId;
use crate::web::{FoundFile, FoundRecording, SearchPlace};

/// Sidecars that are shown of one recording.
pub const SIDECARS: u32 = 50;

pub const FILE: &str = "SELECT i.n, i.station, i.id, (SELECT id FROM items r WHERE r.n = i.recording), c.name, o.name, i.path, i.size, i.kind, i.flagged,
     i.recorded, i.sealed, i.stored, i.undecided, i.entry, s.source, i.derived_from FROM items i
     LEFT JOIN cameras c ON c.id = i.camera LEFT JOIN officers o ON o.id = i.officer LEFT JOIN sessions s ON s.id = i.session";

/// The file at a place with its sidecars and what was found of each.
pub fn recording(
    connection: &Connection,
    criteria: &Criteria<'_>,
    place: SearchPlace,
) -> rusqlite::Result<FoundRecording> {
    let sql = format!("{FILE} WHERE i.n = ?1");
    let mut of_number = connection.prepare_cached(&sql)?;
    let mut file =
        of_number.query_row([place.number], |row| self::file(connection, criteria, row))?;
    let sql = format!("{FILE} WHERE i.recording = ?1 ORDER BY i.n LIMIT {SIDECARS}");
    let mut of_recording = connection.prepare_cached(&sql)?;
    let mut sidecars: Vec<FoundFile> = of_recording
        .query_map([place.number], |row| shown(connection, criteria, row))?
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    for file in sidecars.iter_mut().chain([&mut file]) {
        file.findings = findings(connection, criteria, file)?;
    }
    let station = criteria
        .stations
        .iter()
        .find(|(_, name)| **name == file.station);
    let (said, held) = match station {
        Some((number, _)) => (
            tags::tags(connection, *number, file.evidence)?,
            holds::is_held(connection, *number, file.evidence)?,
        ),
        None => (None, false),
    };
    Ok(FoundRecording {
        file,
        tags: said.map(|said| said.tags).unwrap_or_default(),
        held,
        sidecars,
    })
}

/// A file; `None` if whoever asks may not know of it.
pub fn shown(
    connection: &Connection,
    criteria: &Criteria<'_>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<FoundFile>> {
    let id = EvidenceId::from_bytes(row.get(2)?);
    let may = criteria.shows(connection, row.get(1)?, id)?;
    may.then(|| file(connection, criteria, row)).transpose()
}

/// The id of another item, unless that is kept from whoever asks.
fn nameable(
    connection: &Connection,
    criteria: &Criteria<'_>,
    id: Option<EvidenceId>,
) -> rusqlite::Result<Option<EvidenceId>> {
    let Some(other) = id.filter(|_| !criteria.restricted) else {
        return Ok(id);
    };
    let any = tags::restricted_anywhere(connection, other)?;
    Ok(id.filter(|_| !any))
}

fn file(
    connection: &Connection,
    criteria: &Criteria<'_>,
    row: &Row<'_>,
) -> rusqlite::Result<FoundFile> {
    let station: i64 = row.get(1)?;
    let name = criteria.stations.get(&station);
    let id = |bytes: [u8; 16]| EvidenceId::from_bytes(bytes);
    Ok(FoundFile {
        station: name.cloned().ok_or(rusqlite::Error::InvalidQuery)?,
        evidence: id(row.get(2)?),
        recording: nameable(connection, criteria, row.get::<_, Option<_>>(3)?.map(id))?,
        camera: row.get(4)?,
        officer: row.get(5)?,
        path: row.get(6)?,
        bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        kind: row.get(8)?,
        flagged: row.get(9)?,
        camera_time: time(row.get(10)?),
        sealed_at: time(row.get(11)?),
        stored_at: time(row.get(12)?),
        undecided: row.get(13)?,
        findings: Vec::new(),
        log_entry: row.get::<_, i64>(14)?.cast_unsigned(),
        source: row.get(15)?,
        derived_from: nameable(connection, criteria, row.get::<_, Option<_>>(16)?.map(id))?,
    })
}

fn findings(
    connection: &Connection,
    criteria: &Criteria<'_>,
    file: &FoundFile,
) -> rusqlite::Result<Vec<String>> {
    let station = criteria
        .stations
        .iter()
        .find(|(_, name)| **name == file.station);
    let sql = "SELECT DISTINCT kind FROM findings WHERE station = ?1 AND item = ?2 AND item IS NOT NULL AND told ORDER BY kind";
    let mut kinds = connection.prepare_cached(sql)?;
    let key = params![station.map(|(number, _)| number), file.evidence.as_bytes()];
    kinds.query_map(key, |row| row.get(0))?.collect()
}
