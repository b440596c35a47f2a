//! What the entries of a log make of the index. Entries are a station's own claims: each is bounded, and one that makes no sense is
//! counted and passed over.

use std::borrow::Cow;
use std::cell::Cell;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Index, StationNumber, millis};
use crate::audit::ProvenEntries;
use crate::failpoint::{reached, step};
use crate::model::{
    BucketLayout, Escaped, EvidenceId, ItemPreviewed, ItemQuarantined, ItemSealed, ItemStored,
    OperatorAction, Part, PreviewOutcome, Retention, StationName,
};
use crate::office::OfficeError;
use crate::upload::MAX_OBJECT;

/// Characters of a text that are kept. An item stays below 1 KiB in all.
const TEXT_MAX: usize = 128;
/// A version id or checksum that is longer is none.
const NAME_MAX: usize = 256;

/// An entry's frame. The data is read once the kind is known.
#[derive(Deserialize)]
struct EntryFrame<'a> {
    v: u64,
    time: Timestamp,
    #[serde(borrow)]
    station: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What became of an entry.
enum EntryOutcome {
    Read,
    /// Of a kind or version that this program does not know.
    Unknown,
    Unfit(String),
}

/// Kinds of entries that say nothing of what is in the bucket.
const NOT_OF_ITEMS: [&str; 18] = [
    "station.started",
    "station.stopped",
    "config.changed",
    "camera.docked",
    "camera.refused",
    "camera.undocked",
    "session.ended",
    "inventory.taken",
    "item.held",
    "item.failed",
    "camera.wiped",
    "office.started",
    "office.stopped",
    "log.witnessed",
    "log.alarm",
    "log.closed",
    "log.released",
    "item.viewed",
];

impl Index {
    /// Takes in proven entries, and in the same transaction how far the log has been read. Entries that somebody else has
    /// taken in meanwhile are left alone.
    pub fn take(
        &self,
        station: StationNumber,
        name: &StationName,
        layout: &BucketLayout,
        entries: &ProvenEntries,
    ) -> Result<(), OfficeError> {
        step!("office index take");
        let mut connection = self.lock();
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known: i64 = change.query_row(
            "SELECT entries FROM stations WHERE id = ?1",
            [station.0],
            |row| row.get(0),
        )?;
        let begin = entries.iter().next().map(|(index, _)| index);
        if begin != Some(known.cast_unsigned()) {
            return Ok(());
        }
        let rows = Rows {
            connection: &change,
            station: station.0,
            layout,
            items: Cell::new(0),
        };
        let (mut unknown, mut unfit, mut last) = (0u32, 0u32, None);
        let mut note = None;
        for (index, entry) in entries.iter() {
            match rows.enter(index, entry, name, &mut last)? {
                EntryOutcome::Read => {}
                EntryOutcome::Unknown => unknown += 1,
                EntryOutcome::Unfit(why) => {
                    unfit += 1;
                    note.get_or_insert_with(|| format!("entry {index}: {}", cut(&why, 200)));
                }
            }
        }
        reached!("office index: entries taken");
        change.execute(
            "UPDATE stations SET entries = ?2, edge = ?3, unknown = unknown + ?4, unfit = unfit + ?5,
                 unfit_note = COALESCE(unfit_note, ?6), last_entry = COALESCE(?7, last_entry), items = items + ?8 WHERE id = ?1",
            params![
                station.0,
                entries.prefix.size().cast_signed(),
                entries.prefix.to_bytes(),
                unknown,
                unfit,
                note,
                last.map(millis),
                rows.items.get()
            ],
        )?;
        Ok(change.commit()?)
    }
}

struct Rows<'a> {
    connection: &'a Connection,
    station: i64,
    layout: &'a BucketLayout,
    /// How many items were added.
    items: Cell<u32>,
}

impl Rows<'_> {
    fn enter(
        &self,
        index: u64,
        entry: &[u8],
        name: &StationName,
        last: &mut Option<Timestamp>,
    ) -> rusqlite::Result<EntryOutcome> {
        let frame: EntryFrame<'_> = match serde_json::from_slice(entry) {
            Ok(frame) => frame,
            Err(error) => return Ok(EntryOutcome::Unfit(error.to_string())),
        };
        if frame.v != 1 {
            return Ok(EntryOutcome::Unknown);
        }
        if frame.station != name.as_str() {
            let other = Escaped(cut(&frame.station, 80).as_bytes()).to_string();
            return Ok(EntryOutcome::Unfit(format!("it is of the station {other}")));
        }
        *last = Some(frame.time);
        let data = frame.data.get();
        match &*frame.event {
            "item.sealed" => read(data, |sealed: ItemSealed| {
                self.sealed(index, frame.time, &sealed)
            }),
            "item.stored" => read(data, |stored: ItemStored| {
                self.stored(index, frame.time, &stored)
            }),
            "item.previewed" => read(data, |previewed: ItemPreviewed| {
                self.previewed(index, &previewed)
            }),
            "item.quarantined" => read(data, |item: ItemQuarantined| {
                self.change_item(item.evidence, "undecided = 1")
            }),
            "operator.action" => read(data, |action: OperatorAction| self.decided(&action)),
            other if NOT_OF_ITEMS.contains(&other) => Ok(EntryOutcome::Read),
            _ => Ok(EntryOutcome::Unknown),
        }
    }

    fn sealed(
        &self,
        index: u64,
        at: Timestamp,
        sealed: &ItemSealed,
    ) -> rusqlite::Result<EntryOutcome> {
        if sealed.size > MAX_OBJECT {
            return Ok(EntryOutcome::Unfit(format!(
                "an item of {} bytes",
                sealed.size
            )));
        }
        let camera = sealed
            .camera
            .as_ref()
            .map(|camera| cut(camera.as_str(), 256));
        let officer = sealed
            .officer
            .as_ref()
            .map(|officer| cut(&officer.0, TEXT_MAX));
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO items (station, id, entry, camera, officer, path, kind, flagged, recorded, sealed, size)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let added = insert.execute(params![
            self.station,
            sealed.evidence.as_bytes(),
            index.cast_signed(),
            camera,
            officer,
            cut(&sealed.path.to_string(), TEXT_MAX),
            sealed.kind.as_str(),
            sealed.flagged,
            sealed.modified.map(millis),
            millis(at),
            sealed.size.cast_signed(),
        ])?;
        if added == 0 {
            return Ok(EntryOutcome::Unfit("an item that was sealed before".into()));
        }
        self.items.set(self.items.get() + 1);
        Ok(EntryOutcome::Read)
    }

    fn stored(
        &self,
        index: u64,
        at: Timestamp,
        stored: &ItemStored,
    ) -> rusqlite::Result<EntryOutcome> {
        let object = ObjectClaim {
            id: stored.evidence,
            part: Part::Original,
            key: &stored.key,
            size: stored.size,
            version: stored.version_id.as_deref(),
            checksum: &stored.checksum,
            lock: stored.retention.as_ref(),
        };
        if let Some(wrong) = self.object(index, &object)? {
            return Ok(wrong);
        }
        self.connection
            .prepare_cached(
                "UPDATE items SET stored = ?3, keyless = ?4 WHERE station = ?1 AND id = ?2",
            )?
            .execute(params![
                self.station,
                stored.evidence.as_bytes(),
                millis(at),
                stored.unverified
            ])?;
        Ok(EntryOutcome::Read)
    }

    fn previewed(&self, index: u64, previewed: &ItemPreviewed) -> rusqlite::Result<EntryOutcome> {
        let PreviewOutcome::Made(made) = &previewed.outcome else {
            return Ok(EntryOutcome::Read);
        };
        if !matches!(previewed.part, Part::Preview | Part::Storyboard) {
            return Ok(EntryOutcome::Unfit("a preview of another name".into()));
        }
        let object = ObjectClaim {
            id: previewed.evidence,
            part: previewed.part,
            key: &made.key,
            size: made.sealed_size,
            version: made.version_id.as_deref(),
            checksum: &made.checksum,
            lock: made.retention.as_ref(),
        };
        Ok(self.object(index, &object)?.unwrap_or(EntryOutcome::Read))
    }

    /// Enters an object; what is wrong with it, if anything is.
    fn object(
        &self,
        index: u64,
        object: &ObjectClaim<'_>,
    ) -> rusqlite::Result<Option<EntryOutcome>> {
        let unfit = |why: &str| Ok(Some(EntryOutcome::Unfit(why.to_owned())));
        // Another station's objects, or others than this item's, are not this entry's to claim.
        if object.key != self.layout.object(object.id, object.part.as_str()) {
            return unfit("an object whose key is not that of its item");
        }
        if object.size > MAX_OBJECT {
            return unfit("an object larger than any store takes");
        }
        let long = |text: &str| text.len() > NAME_MAX;
        if long(object.checksum) || object.version.is_some_and(long) {
            return unfit("a version or checksum that is too long");
        }
        let known = self
            .connection
            .prepare_cached("SELECT 1 FROM items WHERE station = ?1 AND id = ?2")?
            .exists(params![self.station, object.id.as_bytes()])?;
        if !known {
            return unfit("an object of an item that this log has not sealed");
        }
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.station,
                object.id.as_bytes(),
                object.part.as_str(),
                index.cast_signed(),
                object.size.cast_signed(),
                object.version,
                object.checksum,
                object.lock.map(|lock| cut(&lock.mode, 16)),
                object.lock.map(|lock| millis(lock.until)),
            ])?;
        Ok(None)
    }

    fn decided(&self, action: &OperatorAction) -> rusqlite::Result<EntryOutcome> {
        let Some(id) = action.evidence else {
            return Ok(EntryOutcome::Read);
        };
        match (action.action.as_str(), &action.officer) {
            ("quarantine.accept" | "quarantine.reject", _) => self.change_item(id, "undecided = 0"),
            ("officer.reassign", Some(officer)) => {
                self.connection
                    .prepare_cached("UPDATE items SET officer = ?3 WHERE station = ?1 AND id = ?2")?
                    .execute(params![
                        self.station,
                        id.as_bytes(),
                        cut(&officer.0, TEXT_MAX)
                    ])?;
                Ok(EntryOutcome::Read)
            }
            _ => Ok(EntryOutcome::Read),
        }
    }

    fn change_item(&self, id: EvidenceId, change: &str) -> rusqlite::Result<EntryOutcome> {
        let sql = format!("UPDATE items SET {change} WHERE station = ?1 AND id = ?2");
        self.connection
            .prepare_cached(&sql)?
            .execute(params![self.station, id.as_bytes()])?;
        Ok(EntryOutcome::Read)
    }
}

/// Reads an entry's data and enters it.
fn read<'d, T: Deserialize<'d>>(
    data: &'d str,
    enter: impl FnOnce(T) -> rusqlite::Result<EntryOutcome>,
) -> rusqlite::Result<EntryOutcome> {
    match serde_json::from_str(data) {
        Ok(data) => enter(data),
        Err(error) => Ok(EntryOutcome::Unfit(error.to_string())),
    }
}

/// An object as an entry names it.
struct ObjectClaim<'a> {
    id: EvidenceId,
    part: Part,
    key: &'a str,
    size: u64,
    version: Option<&'a str>,
    checksum: &'a str,
    lock: Option<&'a Retention>,
}

/// At most `max` bytes of a text, and `…` where it was cut.
fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
    Cow::Owned(format!("{}…", &text[..end.unwrap_or(0)]))
}
