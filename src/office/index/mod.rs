//! The office's index in SQLite: what the stations' logs say is in the bucket, and what was found there.
//!
//! It is derived: every row of it comes from entries that were proven against a verified checkpoint, and deleting it costs
//! reading them again. Nothing is decided by it that the logs do not say. Every method is one transaction and blocks.

mod acts;
mod classes;
mod criteria;
mod dated;
mod derivation;
mod disposals;
mod expected;
mod files;
mod findings;
mod gaps;
mod holds;
mod item;
mod item_entries;
mod item_facts;
mod looks;
mod quarter;
mod ranks;
mod rows;
mod schema;
mod search;
mod share_facts;
mod standing;
mod tags;
mod take;

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::OfficeError;
use crate::audit::ReadPrefix;
use crate::model::StationName;

pub use acts::AskedKey;
pub use classes::{KeptItem, LockTrouble};
pub use criteria::Shown;
pub use dated::DatedRecording;
pub use disposals::{KnownDisposal, Overlap};
pub use expected::{ExpectedObject, LockedObject, OBJECT_NAMES};
pub use findings::{FindingKind, Found, ListingResult, NAMED_MAX, NamedFinding};
pub use gaps::KnownGap;
pub use holds::HeldItem;
pub use item_facts::ItemFacts;
pub use looks::Look;
pub use quarter::{KeptCounts, QuarterCounts};
pub use standing::{StationFindings, StationRow};
pub use tags::SaidBy;

/// A station's number in this index alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StationNumber(i64);

pub struct Index {
    connection: Mutex<Connection>,
}

impl Index {
    /// Opens or makes the index. One that is damaged or of another version is made anew: nothing is lost by it.
    pub fn open(path: &Path) -> Result<Self, OfficeError> {
        match Self::open_once(path) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => {}
            Err(error) if damaged(&error) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::info!(index = %path.display(), "the index is of another version or damaged, and is made anew");
        for end in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(end);
            let _ = fs::remove_file(file);
        }
        let made = Self::open_once(path)?;
        made.ok_or(OfficeError::Index(rusqlite::Error::InvalidQuery))
    }

    /// `None` if it is of another version.
    fn open_once(path: &Path) -> rusqlite::Result<Option<Self>> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may take back the last steps whole; they are read again.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(schema::create(&connection)?.then(|| Self {
            connection: Mutex::new(connection),
        }))
    }

    /// For readers beside the running office; `None` if there is no index yet.
    pub fn open_read_only(path: &Path) -> Result<Option<Self>, OfficeError> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(schema::known(&connection)?.then(|| Self {
            connection: Mutex::new(connection),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    /// The number of a station, which gets a row if it has none.
    pub fn station(&self, name: &StationName) -> Result<StationNumber, OfficeError> {
        let connection = self.lock();
        connection.execute(
            "INSERT INTO stations (name) VALUES (?1) ON CONFLICT DO NOTHING",
            [name.as_str()],
        )?;
        let sql = "SELECT id FROM stations WHERE name = ?1";
        Ok(StationNumber(connection.query_row(
            sql,
            [name.as_str()],
            |row| row.get(0),
        )?))
    }

    /// What was read of the station's log; nothing where its record makes no sense.
    pub fn prefix(&self, station: StationNumber) -> Result<ReadPrefix, OfficeError> {
        let sql = "SELECT entries, edge FROM stations WHERE id = ?1";
        let kept: Option<(i64, Vec<u8>)> = self
            .lock()
            .query_row(sql, [station.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (entries, edge) = kept.unwrap_or_default();
        if let Some(prefix) = ReadPrefix::from_bytes(entries.cast_unsigned(), &edge) {
            return Ok(prefix);
        }
        self.forget(station)?;
        Ok(ReadPrefix::default())
    }

    /// Forgets all that was read of a station's log and found in its folder.
    pub fn forget(&self, station: StationNumber) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let own = "(SELECT n FROM items WHERE station = ?1)";
        for rows in [
            format!("words WHERE rowid IN {own}"),
            format!("mentions WHERE item IN {own}"),
            "dock_tags WHERE station = ?1".into(),
            "objects WHERE station = ?1".into(),
            "items WHERE station = ?1".into(),
            "sessions WHERE station = ?1".into(),
            "findings WHERE station = ?1".into(),
        ] {
            change.execute(&format!("DELETE FROM {rows}"), [station.0])?;
        }
        change.execute(schema::RESET, [station.0])?;
        Ok(change.commit()?)
    }
}

fn damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    )
}

/// Milliseconds since 1970, as every time in the index is kept.
fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn time(millis: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis?).ok()
}
