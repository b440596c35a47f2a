//! The criteria of a search, in the numbers of this index, and whether a file fits them.

use std::collections::{HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::files::SIDECARS;
use super::ranks::{self, is_flagged};
use super::tags;
use crate::model::{EvidenceId, ItemKind, StationName};
use crate::web::{RecordingSearch, RecordingState, SearchPlace};

/// Cameras of one serial.
const CAMERAS: u32 = 16;

/// A row as the criteria need it.
pub struct Candidate {
    pub place: SearchPlace,
    pub station: i64,
    pub camera: Option<i64>,
    pub officer: Option<i64>,
    pub kind: String,
    pub stored: bool,
    pub undecided: bool,
    pub recording: Option<i64>,
    pub path: String,
    pub id: EvidenceId,
}

pub const CANDIDATE: &str = "SELECT n, rank, station, camera, officer, kind, stored IS NOT NULL, undecided, recording, path, id FROM items";

pub fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        place: SearchPlace {
            number: row.get(0)?,
            rank: row.get(1)?,
        },
        station: row.get(2)?,
        camera: row.get(3)?,
        officer: row.get(4)?,
        kind: row.get(5)?,
        stored: row.get(6)?,
        undecided: row.get(7)?,
        recording: row.get(8)?,
        path: row.get(9)?,
        id: EvidenceId::from_bytes(row.get(10)?),
    })
}

/// The criteria by the numbers of this index.
pub struct Criteria<'a> {
    pub search: &'a RecordingSearch,
    /// What is restricted is shown, too.
    pub restricted: bool,
    /// The stations that are shown at all.
    pub stations: HashMap<i64, StationName>,
    pub station: Option<i64>,
    pub officer: Option<i64>,
    pub cameras: Option<Vec<i64>>,
    pub text: Option<WantedText>,
}

/// A text to find in paths.
pub struct WantedText {
    /// In lower case as far as it is ASCII; the rest is compared as it is.
    pub whole: String,
    /// What stands before its last dot: with it the text may be the end of a sidecar's name, whose recording has it as well.
    pub stem: Option<String>,
}

impl WantedText {
    fn new(text: &str) -> Self {
        let whole = text.to_ascii_lowercase();
        let parts = whole.rsplit_once('.');
        let stem = parts.filter(|(_, ending)| !ending.contains('/'));
        let stem = stem.map(|(stem, _)| stem.to_owned());
        Self { whole, stem }
    }

    pub fn id(&self) -> Option<EvidenceId> {
        self.whole.parse().ok()
    }

    /// Whether it is in the file's path or in one of its sidecars'.
    pub fn fits(
        &self,
        criteria: &Criteria<'_>,
        connection: &Connection,
        row: &Candidate,
    ) -> rusqlite::Result<bool> {
        let path = row.path.to_ascii_lowercase();
        if path.contains(&self.whole) {
            return Ok(true);
        }
        let own = path.rsplit_once('.').map_or(&*path, |(own, _)| own);
        if !(self.stem.as_ref()).is_some_and(|stem| own.ends_with(stem.as_str())) {
            return Ok(false);
        }
        let sql = format!("SELECT path, id FROM items WHERE recording = ?1 LIMIT {SIDECARS}");
        let mut sidecars = connection.prepare_cached(&sql)?;
        let mut paths = sidecars.query([row.place.number])?;
        while let Some(sidecar) = paths.next()? {
            let path: String = sidecar.get(0)?;
            let id = EvidenceId::from_bytes(sidecar.get(1)?);
            if path.to_ascii_lowercase().contains(&self.whole)
                && criteria.shows(connection, row.station, id)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The letters that every recording has in its own path if it is to fit, three at a time; `None` where they cannot be looked up.
    pub fn letters(&self) -> Option<String> {
        let sure = self.stem.as_ref().unwrap_or(&self.whole);
        if !sure.is_ascii() || sure.len() < 3 {
            return None;
        }
        let threes = sure.as_bytes().windows(3).map(|three| {
            let three = String::from_utf8_lossy(three).replace('"', "\"\"");
            format!("\"{three}\"")
        });
        let threes: Vec<String> = threes.collect::<HashSet<_>>().into_iter().collect();
        Some(threes.join(" AND "))
    }
}

impl Criteria<'_> {
    pub fn fits(&self, connection: &Connection, row: &Candidate) -> rusqlite::Result<bool> {
        let search = self.search;
        let flagged = is_flagged(row.place.rank);
        let (low, high) = ranks::range(flagged, search.from, search.to);
        let rest = (low..=high).contains(&row.place.rank)
            && (flagged || !search.flagged)
            && self.stations.contains_key(&row.station)
            && self.station.is_none_or(|station| row.station == station)
            && self
                .officer
                .is_none_or(|officer| row.officer == Some(officer))
            && (self.cameras.as_ref())
                .is_none_or(|cameras| row.camera.is_some_and(|camera| cameras.contains(&camera)))
            && search.kind.is_none_or(|kind| row.kind == kind.as_str())
            && self.in_state(row);
        let rest = rest && self.tags_fit(connection, row)?;
        let rest = match &self.text {
            Some(text) if rest => text.fits(self, connection, row)?,
            _ => rest,
        };
        Ok(rest && self.shows(connection, row.station, row.id)?)
    }

    /// Whether whoever searches may know of the item.
    pub fn shows(
        &self,
        connection: &Connection,
        station: i64,
        id: EvidenceId,
    ) -> rusqlite::Result<bool> {
        let known = self.stations.contains_key(&station);
        Ok(known && (self.restricted || !tags::is_restricted(connection, station, id)?))
    }

    fn tags_fit(&self, connection: &Connection, row: &Candidate) -> rusqlite::Result<bool> {
        if !tags::are_asked(self.search) {
            return Ok(true);
        }
        tags::fit(connection, self.search, row.station, row.id)
    }

    fn in_state(&self, row: &Candidate) -> bool {
        match self.search.state {
            Some(RecordingState::Waiting) => !row.stored,
            Some(RecordingState::Stored) => row.stored,
            Some(RecordingState::Undecided) => row.undecided,
            // The rows are those with the findings.
            _ => true,
        }
    }

    /// A sidecar stands alone only where its recording is not in the state that is asked for.
    pub fn stands_alone(
        &self,
        connection: &Connection,
        row: &Candidate,
        all: Option<&HashSet<i64>>,
    ) -> rusqlite::Result<bool> {
        let Some(recording) = row.recording else {
            return Ok(true);
        };
        if let Some(all) = all {
            return Ok(!all.contains(&recording));
        }
        let sql = format!("{CANDIDATE} WHERE n = ?1");
        let mut of_number = connection.prepare_cached(&sql)?;
        let recording = of_number.query_row([recording], candidate).optional()?;
        Ok(recording.is_none_or(|recording| !self.in_state(&recording)))
    }

    /// The index to follow.
    pub fn narrowest(&self) -> Route {
        let route = |index, condition, values| Route {
            index,
            condition,
            values,
        };
        let all = |index, condition| route(index, condition, vec![Value::Integer(1)]);
        match self.search.state {
            Some(RecordingState::Waiting) => {
                return all("items_not_stored", "stored IS NULL AND ?1");
            }
            Some(RecordingState::Undecided) => {
                return all("items_in_quarantine", "undecided AND ?1");
            }
            _ => {}
        }
        let number = |number: i64| vec![Value::Integer(number)];
        if let Some(cameras) = &self.cameras {
            let cameras = cameras.iter().map(|camera| Value::Integer(*camera));
            let condition = "recording IS NULL AND camera = ?1";
            return route("items_camera", condition, cameras.collect());
        }
        if let Some(officer) = self.officer {
            let condition = "recording IS NULL AND officer = ?1";
            return route("items_officer", condition, number(officer));
        }
        if let Some(kind) = self.search.kind.filter(|kind| *kind != ItemKind::Video) {
            let condition = "recording IS NULL AND kind != 'video' AND kind = ?1";
            let kind = vec![Value::Text(kind.as_str().into())];
            return route("items_kind", condition, kind);
        }
        if let Some(station) = self.station {
            let condition = "recording IS NULL AND station = ?1";
            return route("items_station", condition, number(station));
        }
        all("items_newest", "recording IS NULL AND ?1")
    }
}

/// An index in the order of the results, with the condition that leads into it for each of its values.
pub struct Route {
    pub index: &'static str,
    pub condition: &'static str,
    pub values: Vec<Value>,
}

/// What is shown to whoever searches.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Of these stations alone.
    pub stations: &'a [StationName],
    /// With what is restricted.
    pub restricted: bool,
}

/// The criteria in numbers; `None` where nothing can fit.
pub fn resolve<'a>(
    connection: &Connection,
    search: &'a RecordingSearch,
    shown: Shown<'_>,
) -> rusqlite::Result<Option<Criteria<'a>>> {
    let mut stations = HashMap::new();
    let mut all = connection.prepare_cached("SELECT id, name FROM stations")?;
    let all = all.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    for station in all {
        let (number, name) = station?;
        if let Some(name) = shown.stations.iter().find(|shown| shown.as_str() == name) {
            stations.insert(number, name.clone());
        }
    }
    let station = match &search.station {
        Some(wanted) => {
            let of_name = stations.iter().find(|(_, name)| *name == wanted);
            let Some((number, _)) = of_name else {
                return Ok(None);
            };
            Some(*number)
        }
        None => None,
    };
    let officer = match &search.officer {
        Some(name) => {
            let sql = "SELECT id FROM officers WHERE name = ?1";
            let mut number = connection.prepare_cached(sql)?;
            let Some(number) = number.query_row([name], |row| row.get(0)).optional()? else {
                return Ok(None);
            };
            Some(number)
        }
        None => None,
    };
    let cameras = match &search.camera {
        Some(camera) => {
            let column = if camera.contains('/') {
                "name"
            } else {
                "serial"
            };
            let sql =
                format!("SELECT id FROM cameras WHERE {column} = ?1 ORDER BY id LIMIT {CAMERAS}");
            let mut numbers = connection.prepare_cached(&sql)?;
            let numbers: Vec<i64> = numbers
                .query_map([camera], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            if numbers.is_empty() {
                return Ok(None);
            }
            Some(numbers)
        }
        None => None,
    };
    let text = search.text.as_deref().map(WantedText::new);
    Ok(Some(Criteria {
        search,
        restricted: shown.restricted,
        stations,
        station,
        officer,
        cameras,
        text,
    }))
}
