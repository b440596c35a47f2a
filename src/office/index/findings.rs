//! What a look at the bucket found, as far as it is named one by one. The numbers are exact however many there are.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::{Index, StationNumber, millis, time};
use crate::model::{EvidenceId, written_as};
use crate::office::OfficeError;

/// Findings of one kind that are named for a station; the others are only counted.
pub const NAMED_MAX: usize = 1000;

/// How the bucket differs from a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The log calls it stored, and the bucket does not list it.
    Missing,
    /// The bucket has it, and no entry of the log names it.
    Foreign,
    WrongSize,
    /// A reader gets another version than the one that the log names, or a deletion.
    Covered,
    /// It is not locked, or less firmly or shorter than the log says.
    Unlocked,
    /// The store names another checksum than the log.
    Checksum,
}

written_as!(
    FindingKind,
    "a kind of finding",
    Missing = "missing",
    Foreign = "foreign",
    WrongSize = "wrong_size",
    Covered = "covered",
    Unlocked = "unlocked",
    Checksum = "checksum",
);

impl FindingKind {
    /// A listing finds it; the others take a look at the object itself.
    pub const fn by_listing(self) -> bool {
        matches!(self, Self::Missing | Self::Foreign | Self::WrongSize)
    }
}

impl FindingKind {
    /// Its problem code, by which people get the next step.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "labels are asked for in this way everywhere"
    )]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Missing => "office_object_missing",
            Self::Foreign => "office_object_foreign",
            Self::WrongSize => "office_object_size",
            Self::Covered => "office_object_covered",
            Self::Unlocked => "office_object_unlocked",
            Self::Checksum => "office_object_checksum",
        }
    }
}

/// Something that was just found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: FindingKind,
    pub key: String,
    pub item: Option<EvidenceId>,
    pub what: String,
    /// It may be gone by itself: it is told when it is found again after this time.
    pub patience: Option<SignedDuration>,
}

/// A finding as people get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedFinding {
    pub kind: FindingKind,
    pub code: &'static str,
    pub key: String,
    pub evidence: Option<EvidenceId>,
    pub camera: Option<String>,
    pub officer: Option<String>,
    pub path: Option<String>,
    pub what: String,
    pub since: Option<Timestamp>,
}

/// A listing that came to its end.
#[derive(Debug)]
pub struct ListingResult {
    pub began: Timestamp,
    pub ended: Timestamp,
    pub objects: u64,
    /// Foreign objects could be told.
    pub whole: bool,
    pub found: Vec<Found>,
    /// Beyond those in `found`, by kind.
    pub unnamed: Vec<(FindingKind, u64)>,
}

impl Index {
    /// Replaces what the listing before had found.
    pub fn finish_listing(
        &self,
        station: StationNumber,
        listing: &ListingResult,
    ) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let round = millis(listing.began);
        for found in &listing.found {
            enter(&change, station, found, round)?;
        }
        for (kind, name) in FindingKind::NAMES {
            let looked_for = listing.whole || *kind != FindingKind::Foreign;
            if kind.by_listing() && looked_for {
                change.execute(
                    "DELETE FROM findings WHERE station = ?1 AND kind = ?2 AND round != ?3",
                    params![station.0, name, round],
                )?;
            }
        }
        let unnamed = |kind| {
            let of_kind = listing.unnamed.iter().filter(|(of, _)| *of == kind);
            of_kind.map(|(_, count)| *count).sum::<u64>()
        };
        // Foreign objects beyond those that are named are told once a listing before this one had such, too.
        let before: i64 = change.query_row(
            "SELECT unnamed FROM stations WHERE id = ?1",
            [station.0],
            |row| row.get(0),
        )?;
        let strangers = if listing.whole {
            unnamed(FindingKind::Foreign)
        } else {
            before.cast_unsigned()
        };
        let told = |kind: FindingKind, more: u64| -> rusqlite::Result<i64> {
            let named: i64 = change.query_row(
                "SELECT count(*) FROM findings WHERE station = ?1 AND kind = ?2 AND told",
                params![station.0, kind.as_str()],
                |row| row.get(0),
            )?;
            Ok(named.saturating_add_unsigned(more))
        };
        change.execute(
            "UPDATE stations SET listed_from = ?2, listed = ?3, objects = ?4, missing = ?5, foreign_objects = ?6, wrong_size = ?7,
                 unnamed = ?8 WHERE id = ?1",
            params![
                station.0,
                round,
                millis(listing.ended),
                listing.objects.cast_signed(),
                told(FindingKind::Missing, unnamed(FindingKind::Missing))?,
                told(FindingKind::Foreign, if before > 0 { strangers } else { 0 })?,
                told(FindingKind::WrongSize, unnamed(FindingKind::WrongSize))?,
                strangers.cast_signed(),
            ],
        )?;
        Ok(change.commit()?)
    }

    /// What a sweep saw of some objects: what was found, and the keys at which nothing is wrong. `to` is where the next begins.
    pub fn sweep(
        &self,
        station: StationNumber,
        found: &[Found],
        looked_at: &[String],
        to: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let round = millis(now);
        for key in looked_at {
            for (kind, name) in FindingKind::NAMES {
                let again = found.iter().any(|f| f.kind == *kind && f.key == *key);
                if !kind.by_listing() && !again {
                    change
                        .prepare_cached(
                            "DELETE FROM findings WHERE station = ?1 AND kind = ?2 AND key = ?3",
                        )?
                        .execute(params![station.0, name, key])?;
                }
            }
        }
        for found in found {
            let known: i64 = change
                .prepare_cached("SELECT count(*) FROM findings WHERE station = ?1 AND kind = ?2")?
                .query_row(params![station.0, found.kind.as_str()], |row| row.get(0))?;
            if usize::try_from(known).is_ok_and(|known| known < NAMED_MAX) {
                enter(&change, station, found, round)?;
            }
        }
        if let Some(to) = to {
            // An empty place means that all of the station's objects were looked at.
            change.execute(
                "UPDATE stations SET swept_to = ?2, swept_once = CASE WHEN length(?2) = 0 THEN ?3 ELSE swept_once END WHERE id = ?1",
                params![station.0, to, round],
            )?;
        }
        Ok(change.commit()?)
    }

    /// The keys of what was found and may be gone by itself, so that it is not told yet.
    pub fn untold(
        &self,
        station: StationNumber,
    ) -> Result<HashSet<(FindingKind, String)>, OfficeError> {
        let connection = self.lock();
        let sql = "SELECT kind, key FROM findings WHERE station = ?1 AND NOT told";
        let mut untold = connection.prepare_cached(sql)?;
        let mut rows = untold.query([station.0])?;
        let mut all = HashSet::new();
        while let Some(row) = rows.next()? {
            if let Ok(kind) = row.get::<_, String>(0)?.parse() {
                all.insert((kind, row.get(1)?));
            }
        }
        Ok(all)
    }

    /// Where the next sweep begins.
    pub fn swept_to(&self, station: StationNumber) -> Result<Vec<u8>, OfficeError> {
        let sql = "SELECT swept_to FROM stations WHERE id = ?1";
        Ok(self.lock().query_row(sql, [station.0], |row| row.get(0))?)
    }

    /// The items of what sweeps have found, so that the next one looks at them first.
    pub fn found_by_sweeps(
        &self,
        station: StationNumber,
        limit: u32,
    ) -> Result<Vec<EvidenceId>, OfficeError> {
        let connection = self.lock();
        let mut items = connection.prepare_cached(
            "SELECT DISTINCT item FROM findings WHERE station = ?1 AND kind IN ('covered', 'unlocked', 'checksum')
                 AND item IS NOT NULL ORDER BY round LIMIT ?2",
        )?;
        let items = items.query_map(params![station.0, limit], |row| {
            Ok(EvidenceId::from_bytes(row.get(0)?))
        })?;
        Ok(items.collect::<Result<_, _>>()?)
    }
}

/// What is to be told of a station, a kind at a time, oldest first.
pub(super) fn findings(
    connection: &Connection,
    station: StationNumber,
    of_each_kind: u32,
) -> rusqlite::Result<Vec<NamedFinding>> {
    let mut statement = connection.prepare_cached(
        "SELECT f.key, f.item, f.what, f.since, c.name, o.name, i.path FROM findings f
             LEFT JOIN items i ON i.station = f.station AND i.id = f.item
             LEFT JOIN cameras c ON c.id = i.camera LEFT JOIN officers o ON o.id = i.officer
             WHERE f.station = ?1 AND f.kind = ?2 AND f.told ORDER BY f.since, f.key LIMIT ?3",
    )?;
    let mut all = Vec::new();
    for (kind, name) in FindingKind::NAMES {
        let rows = statement.query_map(params![station.0, name, of_each_kind], |row| {
            Ok(NamedFinding {
                kind: *kind,
                code: kind.label(),
                key: row.get(0)?,
                evidence: row
                    .get::<_, Option<[u8; 16]>>(1)?
                    .map(EvidenceId::from_bytes),
                what: row.get(2)?,
                since: time(row.get(3)?),
                camera: row.get(4)?,
                officer: row.get(5)?,
                path: row.get(6)?,
            })
        })?;
        for row in rows {
            all.push(row?);
        }
    }
    Ok(all)
}

fn enter(
    change: &Transaction<'_>,
    station: StationNumber,
    found: &Found,
    round: i64,
) -> rusqlite::Result<()> {
    let patience = found
        .patience
        .map(|patience| i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
    change
        .prepare_cached(
            "INSERT INTO findings (station, kind, key, item, what, since, round, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7 IS NULL)
             ON CONFLICT DO UPDATE SET item = ?4, what = ?5, round = ?6, told = told OR ?7 IS NULL OR ?6 - since >= ?7",
        )?
        .execute(params![
            station.0,
            found.kind.as_str(),
            found.key,
            found.item.map(|id| *id.as_bytes()),
            found.what,
            round,
            patience,
        ])?;
    Ok(())
}
