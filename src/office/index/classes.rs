//! The classes of items and the locks that were renewed, as the acts say them, and which locks the store did not make longer.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Index, millis, time};
use crate::model::{EvidenceId, ItemClassified, RetentionExtended, StationName};
use crate::office::OfficeError;

/// What an item needs of a store besides its original: manifest, item key and receipt, which the log does not name one by one.
const UNNAMED_OBJECTS: u64 = 3;

/// A stored item with all that says how long it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptItem {
    /// Its place in the order of a walk.
    pub number: i64,
    pub station: StationName,
    pub item: EvidenceId,
    pub flagged: bool,
    pub sealed: Timestamp,
    /// As a person said it, with the act.
    pub class: Option<(String, u64)>,
    pub held: bool,
    /// The end of its lock, as far as logs and acts tell: that of the object whose lock ends first.
    pub locked: Option<Timestamp>,
    /// Objects that the act of the last renewal speaks of, and those that there should be.
    pub covered: u64,
    pub expected: u64,
    /// The store did not make its lock longer when it was asked to.
    pub trouble: bool,
}

/// What became of an item's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockTrouble {
    Refused = 1,
    /// And it ends within the days of warning.
    Ending = 2,
}

const KEPT: &str = "SELECT i.n, s.name, i.id, i.flagged, i.sealed, c.class, c.entry,
     EXISTS (SELECT 1 FROM holds h WHERE h.station = i.station AND h.item = i.id AND h.lifted IS NULL),
     l.until, l.objects, i.keyless,
     (SELECT count(*) FROM objects o WHERE o.station = i.station AND o.item = i.id),
     (SELECT CASE WHEN count(lock_until) = count(*) THEN min(lock_until) END FROM objects o WHERE o.station = i.station AND o.item = i.id),
     COALESCE(l.trouble, 0)
 FROM items i JOIN stations s ON s.id = i.station
 LEFT JOIN classes c ON c.station = i.station AND c.item = i.id
 LEFT JOIN locks l ON l.station = i.station AND l.item = i.id
 WHERE i.stored IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM earlier_disposals e WHERE e.station = i.station AND e.item = i.id)";

impl Index {
    /// Stored items in the order in which they came, after `after`.
    pub fn kept_after(&self, after: i64, limit: u32) -> Result<Vec<KeptItem>, OfficeError> {
        let condition = "AND i.n > ?1 ORDER BY i.n LIMIT ?2";
        self.kept(condition, params![after, limit])
    }

    /// Those that acts from the entry `from` on are about.
    pub fn kept_by_acts(&self, from: u64, limit: u32) -> Result<Vec<KeptItem>, OfficeError> {
        let condition = "AND (i.station, i.id) IN (SELECT station, item FROM acts WHERE entry >= ?1
             AND event IN ('item.classified', 'hold.placed', 'hold.lifted') ORDER BY entry LIMIT ?2)";
        self.kept(condition, params![from.cast_signed(), limit])
    }

    /// Those whose locks the store did not make longer, and that were not tried since `tried`; those first that wait longest.
    pub fn kept_in_trouble(
        &self,
        tried: Timestamp,
        limit: u32,
    ) -> Result<Vec<KeptItem>, OfficeError> {
        let condition = "AND (i.station, i.id) IN (SELECT station, item FROM locks WHERE trouble > 0 AND tried < ?1 ORDER BY tried LIMIT ?2)";
        self.kept(condition, params![millis(tried), limit])
    }

    /// One item; `None` if it is not stored.
    pub fn kept_item(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Option<KeptItem>, OfficeError> {
        let key = params![station.as_str(), item.as_bytes()];
        let mut found = self.kept("AND s.name = ?1 AND i.id = ?2", key)?;
        Ok(found.pop())
    }

    fn kept(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<KeptItem>, OfficeError> {
        let connection = self.lock();
        let mut items = connection.prepare_cached(&format!("{KEPT} {condition}"))?;
        let items = items.query_map(values, kept)?;
        let items = items.filter_map(Result::transpose);
        Ok(items.collect::<Result<_, _>>()?)
    }

    /// The class that a person gave an item, with the act.
    pub fn class_of(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Option<(String, u64)>, OfficeError> {
        let sql = "SELECT class, entry FROM classes WHERE station = (SELECT id FROM stations WHERE name = ?1) AND item = ?2";
        let connection = self.lock();
        let mut class = connection.prepare_cached(sql)?;
        let class = class.query_row(params![station.as_str(), item.as_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        });
        Ok(class.optional()?)
    }

    /// Keeps whether the store made an item's lock longer.
    pub fn tried_lock(
        &self,
        item: &KeptItem,
        trouble: Option<LockTrouble>,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        let sql = if trouble.is_some() {
            "INSERT INTO locks (station, item, trouble, tried) VALUES ((SELECT id FROM stations WHERE name = ?1), ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET trouble = ?3, tried = ?4"
        } else {
            "UPDATE locks SET trouble = ?3, tried = ?4 WHERE station = (SELECT id FROM stations WHERE name = ?1) AND item = ?2"
        };
        let trouble = trouble.map_or(0, |trouble| trouble as i64);
        self.lock().prepare_cached(sql)?.execute(params![
            item.station.as_str(),
            item.item.as_bytes(),
            trouble,
            millis(now)
        ])?;
        Ok(())
    }
}

/// `None` for a row of a station whose name is none.
fn kept(row: &Row<'_>) -> rusqlite::Result<Option<KeptItem>> {
    let Ok(station) = row.get::<_, String>(1)?.parse() else {
        return Ok(None);
    };
    let Some(sealed) = time(row.get(4)?) else {
        return Ok(None);
    };
    let class = row.get::<_, Option<String>>(5)?;
    let entry = row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned);
    let renewed = time(row.get(8)?);
    let first = time(row.get(12)?);
    let keyless: bool = row.get(10)?;
    let count = |at| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<i64>>(at)?.unwrap_or(0).cast_unsigned())
    };
    Ok(Some(KeptItem {
        number: row.get(0)?,
        station,
        item: EvidenceId::from_bytes(row.get(2)?),
        flagged: row.get(3)?,
        sealed,
        class: class.zip(entry),
        held: row.get(7)?,
        locked: renewed.or(first),
        covered: count(9)?,
        expected: count(11)? + UNNAMED_OBJECTS - u64::from(keyless),
        trouble: row.get::<_, i64>(13)? > 0,
    }))
}

pub(super) fn classified(
    change: &Connection,
    station: i64,
    index: u64,
    act: &ItemClassified,
) -> rusqlite::Result<()> {
    change
        .prepare_cached("INSERT OR REPLACE INTO classes VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            act.class,
            index.cast_signed()
        ])?;
    Ok(())
}

pub(super) fn extended(
    change: &Connection,
    station: i64,
    index: u64,
    act: &RetentionExtended,
) -> rusqlite::Result<()> {
    let key = params![station, act.evidence.as_bytes(), index.cast_signed()];
    // One is enough for a reader, and a long-lived item would have many.
    change
        .prepare_cached(
            "DELETE FROM acts WHERE station = ?1 AND item = ?2 AND event = 'retention.extended' AND entry < ?3",
        )?
        .execute(key)?;
    change
        .prepare_cached(
            "INSERT INTO locks (station, item, until, objects) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET until = ?3, objects = ?4",
        )?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            millis(act.until),
            act.objects.cast_signed()
        ])?;
    Ok(())
}

/// Items whose locks the store did not make longer, and those of them that end soon.
pub(super) fn in_trouble(connection: &Connection, station: i64) -> rusqlite::Result<(u64, u64)> {
    let sql = "SELECT count(*), total(trouble = 2) FROM locks WHERE station = ?1 AND trouble > 0";
    let mut counts = connection.prepare_cached(sql)?;
    counts.query_row([station], |row| {
        let ending: f64 = row.get(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a count"
        )]
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), ending as u64))
    })
}
