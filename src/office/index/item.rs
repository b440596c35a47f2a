//! One item with everything that the index knows of it: its files, its objects, its entries, and what was recorded around it.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::criteria::{Criteria, Shown, resolve};
use super::derivation;
use super::files::{self, FILE};
use super::{FindingKind, Index, ranks, tags, time};
use crate::model::{EvidenceId, Retention, StationName};
use crate::office::OfficeError;
use crate::web::{
    FoundFile, FoundRecording, ItemObject, ObjectFinding, RecordingSearch, SearchPlace,
};

/// Recordings of other cameras that are named, and by how many milliseconds they may differ.
const OTHERS: u32 = 20;
const NEAR: i64 = 10 * 60_000;
/// Entries of one page.
pub const ENTRIES: usize = 50;
/// Cameras are docked at several stations, and not all of them are shown.
const NEIGHBOURS: u32 = 10;

/// An item as the index has it.
pub struct IndexedItem {
    pub recording: FoundRecording,
    pub objects: Vec<ItemObject>,
    /// Indices in the station's log, of one page; and whether more follow.
    pub entries: Vec<u64>,
    pub more: bool,
    pub originals: Vec<FoundFile>,
    pub copies: Vec<FoundFile>,
    pub before: Option<FoundFile>,
    pub after: Option<FoundFile>,
    pub at_that_time: Vec<FoundFile>,
}

impl Index {
    /// Whether the station's log has sealed this item, and it is shown.
    pub fn has_item(
        &self,
        station: &StationName,
        id: EvidenceId,
        restricted: bool,
    ) -> Result<bool, OfficeError> {
        let sql = "SELECT s.id FROM items i JOIN stations s ON s.id = i.station WHERE s.name = ?1 AND i.id = ?2";
        let connection = self.lock();
        let mut known = connection.prepare_cached(sql)?;
        let key = params![station.as_str(), id.as_bytes()];
        let number: Option<i64> = known.query_row(key, |row| row.get(0)).optional()?;
        Ok(match number {
            Some(number) => restricted || !tags::is_restricted(&connection, number, id)?,
            None => false,
        })
    }

    /// Whether any station's item of this id is restricted.
    pub fn is_restricted(&self, id: EvidenceId) -> Result<bool, OfficeError> {
        Ok(tags::restricted_anywhere(&self.lock(), id)?)
    }

    /// The sidecars of a recording.
    pub fn sidecars_of(
        &self,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Vec<EvidenceId>, OfficeError> {
        let connection = self.lock();
        let mut sidecars = connection.prepare_cached(
            "SELECT id FROM items WHERE recording = (SELECT i.n FROM items i JOIN stations s ON s.id = i.station WHERE s.name = ?1 AND i.id = ?2)
             ORDER BY n LIMIT ?3",
        )?;
        let key = params![station.as_str(), id.as_bytes(), files::SIDECARS];
        let ids = sidecars.query_map(key, |row| Ok(EvidenceId::from_bytes(row.get(0)?)))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// The item of a station with its entries from `first` on; `None` if the station's log has not sealed it, or it is not shown.
    pub fn item(
        &self,
        station: &StationName,
        id: EvidenceId,
        first: u64,
        shown: Shown<'_>,
    ) -> Result<Option<IndexedItem>, OfficeError> {
        let mut connection = self.lock();
        let connection = connection.transaction()?;
        let search = RecordingSearch {
            station: Some(station.clone()),
            ..RecordingSearch::default()
        };
        let Some(criteria) = resolve(&connection, &search, shown)? else {
            return Ok(None);
        };
        let number = criteria.station;
        let sql = "SELECT n, rank, camera, COALESCE(recording, n) FROM items WHERE station = ?1 AND id = ?2";
        let found = connection
            .prepare_cached(sql)?
            .query_row(params![number, id.as_bytes()], |row| {
                let place = SearchPlace {
                    number: row.get(0)?,
                    rank: row.get(1)?,
                };
                Ok((place, row.get::<_, Option<i64>>(2)?, row.get::<_, i64>(3)?))
            })
            .optional()?;
        let Some((place, camera, recording)) = found else {
            return Ok(None);
        };
        if !criteria.shows(&connection, number.unwrap_or_default(), id)? {
            return Ok(None);
        }
        let (entries, more) = entries(&connection, place.number, first)?;
        let around = Around {
            connection: &connection,
            criteria: &criteria,
            at: ranks::unflagged(place.rank),
        };
        let neighbour = |later| {
            let found = camera.map(|camera| around.neighbour(camera, recording, later));
            found.transpose().map(Option::flatten)
        };
        let recording_found = files::recording(&connection, &criteria, place)?;
        let original = recording_found.file.derived_from;
        let originals = original
            .map(|original| derivation::originals(&connection, &criteria, number, original));
        Ok(Some(IndexedItem {
            originals: originals.transpose()?.unwrap_or_default(),
            copies: derivation::copies(&connection, &criteria, id)?,
            recording: recording_found,
            objects: objects(&connection, number, id)?,
            entries,
            more,
            before: neighbour(false)?,
            after: neighbour(true)?,
            at_that_time: around.others(number, camera, recording)?,
        }))
    }
}

/// What was recorded before, after and at the time of an item.
struct Around<'a> {
    connection: &'a Connection,
    criteria: &'a Criteria<'a>,
    /// Its time, as a rank of what is not flagged.
    at: i64,
}

impl Around<'_> {
    /// The nearest recording of the same camera.
    fn neighbour(&self, camera: i64, own: i64, later: bool) -> rusqlite::Result<Option<FoundFile>> {
        let (compare, order) = if later { (">=", "ASC") } else { ("<", "DESC") };
        let sql = format!(
            "SELECT n, rank, station, id FROM items INDEXED BY items_camera WHERE recording IS NULL AND camera = ?1 AND n != ?2
                 AND rank {compare} ?3 AND rank BETWEEN ?4 AND ?5 ORDER BY rank {order} LIMIT {NEIGHBOURS}"
        );
        let mut nearest = self.connection.prepare_cached(&sql)?;
        let mut best: Option<(i64, i64)> = None;
        for flagged in [false, true] {
            let (low, high) = ranks::range(flagged, None, None);
            let at = if flagged {
                ranks::flagged(self.at)
            } else {
                self.at
            };
            let rows = nearest.query_map(params![camera, own, at, low, high], |row| {
                let id = EvidenceId::from_bytes(row.get(3)?);
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, id))
            })?;
            for row in rows {
                let (number, rank, station, id): (i64, i64, i64, EvidenceId) = row?;
                if !self.criteria.shows(self.connection, station, id)? {
                    continue;
                }
                let rank = ranks::unflagged(rank);
                let nearer =
                    best.is_none_or(|(known, _)| if later { rank < known } else { rank > known });
                if nearer {
                    best = Some((rank, number));
                }
                break;
            }
        }
        let found = best.map(|(_, number)| self.file(number)).transpose()?;
        Ok(found.flatten())
    }

    /// What other cameras of the station recorded at that time, in its order.
    fn others(
        &self,
        station: Option<i64>,
        camera: Option<i64>,
        own: i64,
    ) -> rusqlite::Result<Vec<FoundFile>> {
        let sql = format!(
            "SELECT n, rank FROM items INDEXED BY items_station WHERE recording IS NULL AND station = ?1 AND camera IS NOT ?2 AND n != ?3
                 AND rank BETWEEN ?4 AND ?5 ORDER BY rank LIMIT {OTHERS}"
        );
        let mut near = self.connection.prepare_cached(&sql)?;
        let mut all = Vec::new();
        for flagged in [false, true] {
            let at = if flagged {
                ranks::flagged(self.at)
            } else {
                self.at
            };
            let (low, high) = (at.saturating_sub(NEAR), at.saturating_add(NEAR));
            let rows = near.query_map(params![station, camera, own, low, high], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?;
            for row in rows {
                let (number, rank) = row?;
                all.push((ranks::unflagged(rank), number));
            }
        }
        all.sort_unstable();
        all.truncate(OTHERS as usize);
        all.into_iter()
            .filter_map(|(_, number)| self.file(number).transpose())
            .collect()
    }

    /// `None` if it is not shown.
    fn file(&self, number: i64) -> rusqlite::Result<Option<FoundFile>> {
        let sql = format!("{FILE} WHERE i.n = ?1");
        let mut of_number = self.connection.prepare_cached(&sql)?;
        of_number.query_row([number], |row| {
            files::shown(self.connection, self.criteria, row)
        })
    }
}

/// Every entry about the item, and those with which its docking began and ended.
pub(super) fn entries(
    connection: &Connection,
    number: i64,
    first: u64,
) -> rusqlite::Result<(Vec<u64>, bool)> {
    let mut all = connection.prepare_cached(
        "SELECT entry FROM (
             SELECT entry FROM items WHERE n = ?1
             UNION SELECT entry FROM mentions WHERE item = ?1 AND entry >= ?2
             UNION SELECT o.entry FROM items i JOIN objects o ON o.station = i.station AND o.item = i.id WHERE i.n = ?1
             UNION SELECT s.docked FROM items i JOIN sessions s ON s.id = i.session WHERE i.n = ?1 AND s.docked IS NOT NULL
             UNION SELECT s.ended FROM items i JOIN sessions s ON s.id = i.session WHERE i.n = ?1 AND s.ended IS NOT NULL
         ) WHERE entry >= ?2 ORDER BY entry LIMIT ?3",
    )?;
    let limit = i64::try_from(ENTRIES + 1).unwrap_or(i64::MAX);
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let entries = all.query_map([number, first, limit], |row| row.get::<_, i64>(0))?;
    let mut entries: Vec<u64> = entries
        .map(|entry| entry.map(i64::cast_unsigned))
        .collect::<Result<_, _>>()?;
    let more = entries.len() > ENTRIES;
    entries.truncate(ENTRIES);
    Ok((entries, more))
}

/// The objects that the log names for the item, and what was found of these and others below its name.
fn objects(
    connection: &Connection,
    station: Option<i64>,
    id: EvidenceId,
) -> rusqlite::Result<Vec<ItemObject>> {
    let key = params![station, id.as_bytes()];
    let mut logged = connection.prepare_cached(
        "SELECT part, size, version, checksum, lock_mode, lock_until, entry FROM objects WHERE station = ?1 AND item = ?2 ORDER BY entry, part",
    )?;
    let objects = logged.query_map(key, |row| {
        let lock: (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
        Ok(ItemObject {
            name: row.get(0)?,
            bytes: Some(row.get::<_, i64>(1)?.cast_unsigned()),
            version: row.get(2)?,
            checksum: Some(row.get(3)?),
            lock: (lock.0.zip(time(lock.1))).map(|(mode, until)| Retention { mode, until }),
            log_entry: Some(row.get::<_, i64>(6)?.cast_unsigned()),
            findings: Vec::new(),
        })
    })?;
    let mut objects: Vec<ItemObject> = objects.collect::<Result<_, _>>()?;
    let mut found = connection.prepare_cached(
        "SELECT kind, key, what, since FROM findings WHERE station = ?1 AND item = ?2 AND item IS NOT NULL AND told ORDER BY key, kind LIMIT 100",
    )?;
    let found = found.query_map(key, |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<i64>>(3)?,
        ))
    })?;
    for finding in found {
        let (kind, key, what, since) = finding?;
        let Ok(kind) = kind.parse::<FindingKind>() else {
            continue;
        };
        let finding = ObjectFinding {
            code: kind.label(),
            what,
            since: time(since),
        };
        let name = key.rsplit('/').next().unwrap_or(&key);
        if let Some(object) = objects.iter_mut().find(|object| object.name == name) {
            object.findings.push(finding);
        } else {
            objects.push(ItemObject {
                name: name.to_owned(),
                bytes: None,
                version: None,
                checksum: None,
                lock: None,
                log_entry: None,
                findings: vec![finding],
            });
        }
    }
    Ok(objects)
}
