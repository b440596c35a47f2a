//! What the bucket should hold according to the logs, in the order of its keys.

use rusqlite::{OptionalExtension as _, params};

use super::{Index, StationNumber, time};
use crate::model::{EvidenceId, Part, Retention};
use crate::office::OfficeError;

/// All names that an item's objects have, sorted as a listing is.
pub const OBJECT_NAMES: [&str; 6] = [
    "item-key",
    "manifest.json",
    "original",
    "preview",
    "receipt",
    "storyboard",
];
const RECEIPT: &str = "receipt";
/// What stays of an item that was deleted by rule.
const STAYS: [&str; 2] = ["manifest.json", RECEIPT];

/// An object that may be, or has to be, in a station's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedObject {
    pub item: EvidenceId,
    pub name: &'static str,
    /// As the log has it; `None` where the log has none.
    pub size: Option<u64>,
    pub version: Option<String>,
    /// The log says that it is there.
    pub required: bool,
    /// It comes after the entry that makes it due, so that it may be late.
    pub late: bool,
    /// It was deleted by rule, and the office has seen that it was gone.
    pub disposed: bool,
}

/// A stored object with what is to be looked at one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedObject {
    pub item: EvidenceId,
    pub part: Part,
    pub version: Option<String>,
    pub checksum: String,
    pub lock: Option<Retention>,
}

impl Index {
    /// The objects of the next `limit` items after `after`. Those that entries from `entries` on name are not required yet.
    pub fn expected(
        &self,
        station: StationNumber,
        after: Option<EvidenceId>,
        entries: u64,
        limit: u32,
    ) -> Result<Vec<ExpectedObject>, OfficeError> {
        let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let connection = self.lock();
        let mut items = connection.prepare_cached(
            "SELECT i.id, i.keyless, d.approved, COALESCE(d.disposed, e.station) FROM items i
             LEFT JOIN disposals d ON d.station = i.station AND d.item = i.id
             LEFT JOIN earlier_disposals e ON e.station = i.station AND e.item = i.id
             WHERE i.station = ?1 AND i.id > ?2 ORDER BY i.id LIMIT ?3",
        )?;
        let items = items.query_map(params![station.0, after, limit], |row| {
            let approved: Option<i64> = row.get(2)?;
            let disposed: Option<i64> = row.get(3)?;
            Ok((
                row.get::<_, [u8; 16]>(0)?,
                row.get::<_, bool>(1)?,
                approved.is_some(),
                disposed.is_some(),
            ))
        })?;
        let mut objects = connection.prepare_cached(
            "SELECT part, size, version, entry FROM objects WHERE station = ?1 AND item = ?2",
        )?;
        let mut all = Vec::new();
        for item in items {
            let (id, keyless, approved, disposed) = item?;
            let logged: Vec<(String, i64, Option<String>, i64)> = objects
                .query_map(params![station.0, id], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<Result<_, _>>()?;
            let original = logged.iter().find(|(part, ..)| part == "original");
            let stored = original.is_some_and(|(.., entry)| entry.cast_unsigned() < entries);
            for name in OBJECT_NAMES {
                let own = logged.iter().find(|(part, ..)| part == name);
                let required = match (own, name) {
                    (Some((.., entry)), _) => entry.cast_unsigned() < entries,
                    (None, "manifest.json" | RECEIPT) => stored,
                    (None, "item-key") => stored && !keyless,
                    (None, _) => false,
                };
                let goes = !STAYS.contains(&name);
                all.push(ExpectedObject {
                    item: EvidenceId::from_bytes(id),
                    name,
                    size: own.map(|(_, size, ..)| size.cast_unsigned()),
                    version: own.and_then(|(_, _, version, _)| version.clone()),
                    required: required && !(goes && disposed),
                    // What may be deleted is gone for a while before the office has seen that it is.
                    late: name == RECEIPT || goes && approved,
                    disposed: goes && disposed,
                });
            }
        }
        Ok(all)
    }

    /// Whether the log has sealed this item.
    pub fn knows(&self, station: StationNumber, item: EvidenceId) -> Result<bool, OfficeError> {
        let connection = self.lock();
        let mut item_of =
            connection.prepare_cached("SELECT 1 FROM items WHERE station = ?1 AND id = ?2")?;
        Ok(item_of.exists(params![station.0, item.as_bytes()])?)
    }

    /// Objects of the log in the order of their items, after `after`; and whether more follow. `limit` is at least 4: an item
    /// has three.
    pub fn to_sweep(
        &self,
        station: StationNumber,
        after: &[u8],
        limit: u32,
    ) -> Result<(Vec<LockedObject>, bool), OfficeError> {
        let condition = "item > ?2 ORDER BY item, part LIMIT ?3";
        let mut found = self.locked(condition, params![station.0, after, limit])?;
        let more = found.len() as u64 == u64::from(limit);
        // The last item's other objects may not be among them; it begins the next step.
        if more && let Some(last) = found.last().map(|object| object.item) {
            found.retain(|object| object.item != last);
        }
        Ok((found, more))
    }

    /// The objects that the log names for one item.
    pub fn objects_of(
        &self,
        station: StationNumber,
        item: EvidenceId,
    ) -> Result<Vec<LockedObject>, OfficeError> {
        self.locked("item = ?2", params![station.0, item.as_bytes()])
    }

    /// The entry that names an object of an item.
    pub fn entry_of(
        &self,
        station: StationNumber,
        item: EvidenceId,
        part: Part,
    ) -> Result<Option<u64>, OfficeError> {
        let sql = "SELECT entry FROM objects WHERE station = ?1 AND item = ?2 AND part = ?3";
        let key = params![station.0, item.as_bytes(), part.as_str()];
        let entry = self.lock().query_row(sql, key, |row| row.get::<_, i64>(0));
        Ok(entry.optional()?.map(i64::cast_unsigned))
    }

    fn locked(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<LockedObject>, OfficeError> {
        let connection = self.lock();
        let mut objects = connection.prepare_cached(&format!(
            "SELECT item, part, version, checksum, lock_mode, lock_until FROM objects WHERE station = ?1 AND {condition}"
        ))?;
        let rows = objects.query_map(values, |row| {
            let lock: (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
            let part: String = row.get(1)?;
            Ok(part.parse().ok().map(|part| {
                Ok(LockedObject {
                    item: EvidenceId::from_bytes(row.get(0)?),
                    part,
                    version: row.get(2)?,
                    checksum: row.get(3)?,
                    lock: lock
                        .0
                        .zip(time(lock.1))
                        .map(|(mode, until)| Retention { mode, until }),
                })
            }))
        })?;
        let rows = rows.filter_map(|row: rusqlite::Result<_>| row.transpose());
        Ok(rows.map(|row| row?).collect::<rusqlite::Result<_>>()?)
    }

    /// The objects that the log names for this station.
    pub fn object_count(&self, station: StationNumber) -> Result<u64, OfficeError> {
        let sql = "SELECT count(*) FROM objects WHERE station = ?1";
        let count: i64 = self.lock().query_row(sql, [station.0], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }
}
