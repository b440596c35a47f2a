//! The holds of items, as the acts say them, and which of them the store is known to follow.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Index, millis};
use crate::model::{EvidenceId, HoldLifted, HoldPlaced, StationName};
use crate::office::OfficeError;

/// An item whose objects are to be looked at, and whether any hold keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldItem {
    pub station: StationName,
    pub item: EvidenceId,
    pub held: bool,
}

impl Index {
    /// The holds that keep an item, by the entries that placed them.
    pub fn holds(&self, station: &StationName, item: EvidenceId) -> Result<Vec<u64>, OfficeError> {
        let connection = self.lock();
        let mut all = connection.prepare_cached(
            "SELECT entry FROM holds WHERE station = (SELECT id FROM stations WHERE name = ?1) AND item = ?2 AND lifted IS NULL",
        )?;
        let key = params![station.as_str(), item.as_bytes()];
        let entries = all.query_map(key, |row| row.get::<_, i64>(0))?;
        let entries = entries.map(|entry| entry.map(i64::cast_unsigned));
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Items with a hold or a lifting that the store is not known to follow and that were not tried since `tried`, and held ones that
    /// were looked at before `before`; those first that wait longest.
    pub fn unsettled_holds(
        &self,
        before: Timestamp,
        tried: Timestamp,
        limit: u32,
    ) -> Result<Vec<HeldItem>, OfficeError> {
        let connection = self.lock();
        let mut all = connection.prepare_cached(
            "SELECT s.name, h.item, MAX(h.lifted IS NULL), MIN(h.tried) AS waits FROM holds h JOIN stations s ON s.id = h.station
             GROUP BY h.station, h.item
             HAVING MAX(h.settled IS NULL AND h.tried < ?2 OR h.lifted IS NULL AND h.settled < ?1) ORDER BY waits LIMIT ?3",
        )?;
        let rows = all.query_map(params![millis(before), millis(tried), limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
        })?;
        let mut items = Vec::new();
        for row in rows {
            let (station, item, held): (String, [u8; 16], bool) = row?;
            if let Ok(station) = station.parse() {
                let item = EvidenceId::from_bytes(item);
                items.push(HeldItem {
                    station,
                    item,
                    held,
                });
            }
        }
        Ok(items)
    }

    /// The store was asked to follow an item's holds, and did or did not; a hold that came or went meanwhile stays unsettled.
    pub fn tried_holds(
        &self,
        item: &HeldItem,
        followed: bool,
        now: Timestamp,
    ) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let sql = "SELECT id FROM stations WHERE name = ?1";
        let station: i64 = change.query_row(sql, [item.station.as_str()], |row| row.get(0))?;
        let key = params![station, item.item.as_bytes(), millis(now)];
        let held = is_held(&change, station, item.item)?;
        change.execute(
            if followed && held == item.held {
                "UPDATE holds SET tried = ?3, settled = ?3 WHERE station = ?1 AND item = ?2"
            } else {
                "UPDATE holds SET tried = ?3, settled = NULL WHERE station = ?1 AND item = ?2"
            },
            key,
        )?;
        Ok(change.commit()?)
    }
}

pub(super) fn placed(
    change: &Connection,
    station: i64,
    index: u64,
    act: &HoldPlaced,
) -> rusqlite::Result<()> {
    change
        .prepare_cached("INSERT OR IGNORE INTO holds VALUES (?1, ?2, ?3, NULL, NULL, 0)")?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            index.cast_signed()
        ])?;
    Ok(())
}

/// A lifting that names a hold of another item lifts nothing.
pub(super) fn lifted(
    change: &Connection,
    station: i64,
    index: u64,
    act: &HoldLifted,
) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "UPDATE holds SET lifted = ?4, settled = NULL, tried = 0 WHERE station = ?1 AND item = ?2 AND entry = ?3 AND lifted IS NULL",
        )?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            act.hold.index.cast_signed(),
            index.cast_signed()
        ])?;
    Ok(())
}

pub(super) fn is_held(
    connection: &Connection,
    station: i64,
    item: EvidenceId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM holds WHERE station = ?1 AND item = ?2 AND lifted IS NULL")?
        .exists(params![station, item.as_bytes()])
}

/// Items of which the store was asked, and does not say that it follows their holds.
pub(super) fn not_followed(connection: &Connection, station: i64) -> rusqlite::Result<u64> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT count(DISTINCT item) FROM holds WHERE station = ?1 AND settled IS NULL AND tried > 0",
        )?
        .query_row([station], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
