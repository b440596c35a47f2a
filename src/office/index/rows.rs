//! One log's rows, as its entries change them.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::acts;
use super::take::{EntryOutcome, cut};
use super::{StationNumber, millis, ranks};
use crate::model::{
    BucketLayout, Escaped, EvidenceId, ItemKind, ItemPreviewed, ItemSealed, ItemStored,
    OperatorAction, Part, PreviewOutcome, Retention, SessionId, Sha256Digest,
};
use crate::upload::MAX_OBJECT;

/// Characters of a text that are kept. An item stays below 1 KiB in all.
pub(super) const TEXT_MAX: usize = 128;
/// A version id, a checksum or a camera's name that is longer is none.
const NAME_MAX: usize = 256;

/// Milliseconds that no recording lasts: a month.
const DURATION_MAX: i64 = 31 * 24 * 3_600_000;

pub struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) station: i64,
    layout: &'a BucketLayout,
    now: Timestamp,
    /// The numbers of cameras and officers that were met: few of them have many items.
    known: HashMap<(&'static str, String), i64>,
    /// How many items were added.
    pub items: u32,
}

impl<'a> Rows<'a> {
    pub fn new(
        connection: &'a Connection,
        station: StationNumber,
        layout: &'a BucketLayout,
        now: Timestamp,
    ) -> Self {
        Self {
            connection,
            station: station.0,
            layout,
            now,
            known: HashMap::new(),
            items: 0,
        }
    }

    pub fn sealed(
        &mut self,
        index: u64,
        at: Timestamp,
        session: Option<SessionId>,
        sealed: &ItemSealed,
    ) -> rusqlite::Result<EntryOutcome> {
        if sealed.size > MAX_OBJECT {
            return Ok(EntryOutcome::Unfit(format!(
                "an item of {} bytes",
                sealed.size
            )));
        }
        let camera = sealed.camera.as_ref();
        let camera = camera
            .map(|camera| self.camera(camera.as_str()))
            .transpose()?;
        let officer = sealed.officer.as_ref();
        let officer = officer
            .map(|officer| self.officer(&officer.0))
            .transpose()?;
        let docking = session.map(|id| self.session_number(id)).transpose()?;
        let group = name_group(session, sealed);
        let recording = match (group, sealed.kind) {
            (Some(group), ItemKind::Sidecar) => self.video_of(group)?,
            _ => None,
        };
        let original = sealed.import.and_then(|import| import.derived_from);
        let path = sealed.path.to_string();
        let path = cut(&path, TEXT_MAX);
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO items (station, id, entry, session, camera, officer, path, kind, flagged, recorded, sealed, size,
                 name_group, recording, rank, derived_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        let added = insert.execute(params![
            self.station,
            sealed.evidence.as_bytes(),
            index.cast_signed(),
            docking,
            camera,
            officer,
            path,
            sealed.kind.as_str(),
            sealed.flagged,
            sealed.modified.map(millis),
            millis(at),
            sealed.size.cast_signed(),
            group,
            recording,
            ranks::rank(sealed.flagged, sealed.modified, at, self.now),
            original.as_ref().map(EvidenceId::as_bytes),
        ])?;
        if added == 0 {
            return Ok(EntryOutcome::Unfit("an item that was sealed before".into()));
        }
        let number = self.connection.last_insert_rowid();
        acts::assign(self.connection, self.station, sealed.evidence)?;
        if recording.is_none() {
            self.connection
                .prepare_cached("INSERT INTO words (rowid, path) VALUES (?1, ?2)")?
                .execute(params![number, path])?;
        }
        match (group, sealed.kind) {
            (Some(group), ItemKind::Video) => self.gather(group, number)?,
            _ if sealed.flagged => self.flag(recording)?,
            _ => {}
        }
        self.items += 1;
        Ok(EntryOutcome::Read)
    }

    /// The first video of a group.
    fn video_of(&self, group: i64) -> rusqlite::Result<Option<i64>> {
        let sql =
            "SELECT min(n) FROM items WHERE name_group = ?1 AND station = ?2 AND kind = 'video'";
        let mut first = self.connection.prepare_cached(sql)?;
        first.query_row(params![group, self.station], |row| row.get(0))
    }

    /// Gives a video the sidecars that were sealed before it.
    fn gather(&self, group: i64, video: i64) -> rusqlite::Result<()> {
        if self.video_of(group)? != Some(video) {
            return Ok(());
        }
        let gathered = self
            .connection
            .prepare_cached(
                "UPDATE items SET recording = ?3 WHERE name_group = ?1 AND station = ?2 AND kind = 'sidecar' AND recording IS NULL",
            )?
            .execute(params![group, self.station, video])?;
        if gathered == 0 {
            return Ok(());
        }
        let sql = "SELECT 1 FROM items WHERE recording = ?1 AND flagged LIMIT 1";
        let flagged = self.connection.prepare_cached(sql)?.exists([video])?;
        self.flag(flagged.then_some(video))
    }

    /// A recording with a flagged sidecar stands among the flagged ones.
    fn flag(&self, recording: Option<i64>) -> rusqlite::Result<()> {
        let Some(recording) = recording else {
            return Ok(());
        };
        let sql = "SELECT rank FROM items WHERE n = ?1";
        let mut known = self.connection.prepare_cached(sql)?;
        let rank: i64 = known.query_row([recording], |row| row.get(0))?;
        if !ranks::is_flagged(rank) {
            self.connection
                .prepare_cached("UPDATE items SET rank = ?2 WHERE n = ?1")?
                .execute([recording, ranks::flagged(rank)])?;
        }
        Ok(())
    }

    fn camera(&mut self, name: &str) -> rusqlite::Result<i64> {
        let name = cut(name, NAME_MAX);
        let serial = name.split_once('/').map_or(&*name, |(_, serial)| serial);
        self.number("cameras", &name, |connection| {
            connection
                .prepare_cached("INSERT INTO cameras (name, serial) VALUES (?1, ?2)")?
                .execute([&*name, serial])
        })
    }

    fn officer(&mut self, name: &str) -> rusqlite::Result<i64> {
        let name = cut(name, TEXT_MAX);
        self.number("officers", &name, |connection| {
            connection
                .prepare_cached("INSERT INTO officers (name) VALUES (?1)")?
                .execute([&*name])
        })
    }

    /// The number of a name, which gets one if it has none.
    fn number(
        &mut self,
        table: &'static str,
        name: &str,
        insert: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<i64> {
        let key = (table, name.to_owned());
        if let Some(number) = self.known.get(&key) {
            return Ok(*number);
        }
        let found = self
            .connection
            .prepare_cached(&format!("SELECT id FROM {table} WHERE name = ?1"))?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let number = if let Some(number) = found {
            number
        } else {
            insert(self.connection)?;
            self.connection.last_insert_rowid()
        };
        self.known.insert(key, number);
        Ok(number)
    }

    pub(super) fn session_number(&self, session: SessionId) -> rusqlite::Result<i64> {
        let sql = "SELECT id FROM sessions WHERE station = ?1 AND session = ?2";
        let key = params![self.station, session.as_bytes()];
        let mut known = self.connection.prepare_cached(sql)?;
        if let Some(number) = known.query_row(key, |row| row.get(0)).optional()? {
            return Ok(number);
        }
        self.connection
            .prepare_cached("INSERT INTO sessions (station, session) VALUES (?1, ?2)")?
            .execute(key)?;
        Ok(self.connection.last_insert_rowid())
    }

    /// How many recipients the station seals to since this start.
    pub fn started(&self, recipients: usize) -> rusqlite::Result<EntryOutcome> {
        let sql = "UPDATE stations SET recipients = ?2 WHERE id = ?1";
        let recipients = i64::try_from(recipients).ok().filter(|count| *count > 0);
        let mut update = self.connection.prepare_cached(sql)?;
        update.execute(params![self.station, recipients])?;
        Ok(EntryOutcome::Read)
    }

    /// The entry with which a docking began or ended; `end` is its column. The first one counts.
    pub fn session(
        &self,
        index: u64,
        session: Option<SessionId>,
        end: &str,
    ) -> rusqlite::Result<EntryOutcome> {
        if let Some(session) = session {
            let number = self.session_number(session)?;
            let sql = format!("UPDATE sessions SET {end} = COALESCE({end}, ?2) WHERE id = ?1");
            let mut update = self.connection.prepare_cached(&sql)?;
            update.execute([number, index.cast_signed()])?;
        }
        Ok(EntryOutcome::Read)
    }

    /// The entry with which an import began, and what it was declared to be.
    pub fn imported(
        &self,
        index: u64,
        session: Option<SessionId>,
        source: &str,
    ) -> rusqlite::Result<EntryOutcome> {
        if let Some(session) = session {
            let number = self.session_number(session)?;
            let source = Escaped(source.as_bytes()).to_string();
            let sql = "UPDATE sessions SET source = COALESCE(source, ?2) WHERE id = ?1";
            let mut update = self.connection.prepare_cached(sql)?;
            update.execute(params![number, cut(&source, TEXT_MAX)])?;
        }
        self.session(index, session, "docked")
    }

    /// The entry with which a docking began, and when; the first one counts.
    pub fn docked(
        &self,
        index: u64,
        session: Option<SessionId>,
        at: Timestamp,
    ) -> rusqlite::Result<EntryOutcome> {
        if let Some(session) = session {
            let sql = "UPDATE sessions SET docked_at = COALESCE(docked_at, ?2) WHERE id = ?1";
            let number = self.session_number(session)?;
            let mut update = self.connection.prepare_cached(sql)?;
            update.execute([number, millis(at)])?;
        }
        self.session(index, session, "docked")
    }

    /// Keeps that an entry is about an item, if the log has sealed it.
    pub fn mention(&self, index: u64, id: EvidenceId) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO mentions SELECT n, ?3 FROM items WHERE station = ?1 AND id = ?2",
            )?
            .execute(params![self.station, id.as_bytes(), index.cast_signed()])?;
        Ok(())
    }

    pub fn quarantined(&self, id: EvidenceId) -> rusqlite::Result<()> {
        // What the office has decided holds.
        self.change_item(
            id,
            "undecided = NOT EXISTS (SELECT 1 FROM acts a WHERE a.station = ?1 AND a.item = ?2 AND a.event = 'quarantine.decided')",
        )
    }

    pub fn stored(
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

    pub fn previewed(
        &self,
        index: u64,
        previewed: &ItemPreviewed,
    ) -> rusqlite::Result<EntryOutcome> {
        let probe = previewed.probe.as_ref();
        if let Some(duration) = probe.and_then(|probe| probe.duration_ms) {
            self.lasts(previewed.evidence, duration)?;
        }
        let PreviewOutcome::Made(made) = &previewed.outcome else {
            self.mention(index, previewed.evidence)?;
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

    /// The duration of a recording, as far as it can be one; the first that is told counts.
    fn lasts(&self, id: EvidenceId, duration_ms: u64) -> rusqlite::Result<()> {
        let Some(duration) = i64::try_from(duration_ms)
            .ok()
            .filter(|ms| *ms < DURATION_MAX)
        else {
            return Ok(());
        };
        let sql =
            "UPDATE items SET duration = COALESCE(duration, ?3) WHERE station = ?1 AND id = ?2";
        let mut update = self.connection.prepare_cached(sql)?;
        update.execute(params![self.station, id.as_bytes(), duration])?;
        Ok(())
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

    pub fn decided(
        &mut self,
        index: u64,
        action: &OperatorAction,
    ) -> rusqlite::Result<EntryOutcome> {
        let Some(id) = action.evidence else {
            return Ok(EntryOutcome::Read);
        };
        self.mention(index, id)?;
        match (action.action.as_str(), &action.officer) {
            ("quarantine.accept" | "quarantine.reject", _) => {
                self.change_item(id, "undecided = 0")?;
            }
            ("officer.reassign", Some(officer)) => {
                let officer = self.officer(&officer.0)?;
                self.connection
                    .prepare_cached("UPDATE items SET officer = ?3 WHERE station = ?1 AND id = ?2")?
                    .execute(params![self.station, id.as_bytes(), officer])?;
                acts::assign(self.connection, self.station, id)?;
            }
            _ => {}
        }
        Ok(EntryOutcome::Read)
    }

    fn change_item(&self, id: EvidenceId, change: &str) -> rusqlite::Result<()> {
        let sql = format!("UPDATE items SET {change} WHERE station = ?1 AND id = ?2");
        self.connection
            .prepare_cached(&sql)?
            .execute(params![self.station, id.as_bytes()])?;
        Ok(())
    }
}

/// A recording and its sidecars have the docking, the camera and the name without its ending in common; other files none of it.
fn name_group(session: Option<SessionId>, sealed: &ItemSealed) -> Option<i64> {
    if sealed.kind == ItemKind::Other {
        return None;
    }
    let docking = session.map_or(String::new(), |session| session.to_string());
    let camera = sealed.camera.as_ref().map_or("", |camera| camera.as_str());
    let stem = sealed.path.stem();
    let name = [docking.as_bytes(), b"\0", camera.as_bytes(), b"\0", stem].concat();
    let digest = Sha256Digest::of(&name).0;
    digest.first_chunk().map(|first| i64::from_be_bytes(*first))
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
