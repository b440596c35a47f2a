//! Work state in SQLite: what was seen, what is in flight, what is held.
//!
//! It may not hold evidence: the log and the spool are the truth, and `ingest::recover` brings the journal in line with them.
//! Every method is one transaction; all of them block, so async callers go through a blocking thread.

mod completeness;
mod decisions;
mod disposals;
mod dock_tags;
mod held;
mod interrupted;
mod inventory;
mod items;
mod key_slots;
mod listing;
mod locks;
mod overview;
mod previews;
#[cfg(test)]
mod query_cost;
mod repair;
mod schema;
mod sessions;
mod sql;
mod transitions;
mod uploads;
mod wiped;

use std::path::Path;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use thiserror::Error;

use crate::durable::DurableError;
use crate::failpoint::{reached, step};
use crate::model::{EvidenceId, Explain, ItemState, RetryClass};
use key_slots::KeySlots;
use sql::Unsigned;

pub use completeness::CameraDay;
pub use held::{ContentEnds, HeldItem};
pub use interrupted::StalePull;
pub use inventory::{FileOutcome, FileTotals, InventoryCounts, InventoryOutcome, InventoryRow};
pub use items::{ItemRow, LoggedItem, SealedFacts, StoreProgress, StoredFacts, StoredProof};
pub use listing::{FoundItem, ItemFilter};
pub use overview::Overview;
pub use previews::{PreviewRow, PreviewState};
pub use sessions::{SessionEnd, SessionRow};
pub use uploads::{PartRow, UploadRow};

#[derive(Debug, Error)]
pub enum JournalError {
    #[error("the journal cannot be read or written")]
    Sqlite(#[source] rusqlite::Error),
    #[error("the journal holds a value that makes no sense: {0}")]
    Corrupt(String),
    #[error("the item keys cannot be read or written")]
    Keys(#[from] DurableError),
    #[error("the journal has no tables: its making was interrupted")]
    NotMade,
    #[error("the journal was written by a newer CamDock (schema {found}, this one knows {known})")]
    TooNew { found: i64, known: i64 },
    #[error("the journal was written by an older CamDock (schema {found}, this one reads {known})")]
    TooOld { found: i64, known: i64 },
    #[error("the journal says that item {id} is {found}, so it cannot become {wanted}")]
    IllegalStep {
        id: EvidenceId,
        found: &'static str,
        wanted: &'static str,
    },
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match error {
            E::FromSqlConversionFailure(_, _, source) => Self::Corrupt(source.to_string()),
            E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) | E::Utf8Error(..) => {
                Self::Corrupt(error.to_string())
            }
            error => Self::Sqlite(error),
        }
    }
}

impl JournalError {
    /// The file itself is broken.
    fn broken(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let code = match self {
            Self::Sqlite(e) => e.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(DatabaseCorrupt | NotADatabase)) || matches!(self, Self::Corrupt(_))
    }

    fn disk_full(&self) -> bool {
        match self {
            Self::Sqlite(e) => e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Keys(e) => e.disk_full(),
            _ => false,
        }
    }
}

impl Explain for JournalError {
    fn retry_class(&self) -> RetryClass {
        if self.disk_full() {
            RetryClass::Later
        } else {
            RetryClass::Operator
        }
    }

    fn label(&self) -> &'static str {
        match self {
            _ if self.disk_full() => "disk_full",
            _ if self.broken() => "journal_corrupt",
            Self::Sqlite(_) | Self::Corrupt(_) | Self::Keys(_) | Self::NotMade => "journal_error",
            Self::TooNew { .. } => "journal_too_new",
            Self::TooOld { .. } => "journal_too_old",
            Self::IllegalStep { .. } => "journal_illegal_step",
        }
    }

    fn next_step(&self) -> String {
        match self {
            _ if self.disk_full() => "Free space on the disk that holds the state folder; work then resumes.".into(),
            _ if self.broken() => {
                "Stop the service, move journal.db, journal.db-wal and journal.db-shm aside and start it again: the journal is rebuilt from the custody log and the spool.".into()
            }
            Self::Sqlite(_) | Self::Corrupt(_) | Self::Keys(_) => {
                "Check the disk and the rights of the state folder, then restart the service.".into()
            }
            Self::NotMade => "Start the service: it makes the tables when it starts.".into(),
            Self::TooNew { .. } => "Install the CamDock version that last ran on this station, or a newer one.".into(),
            Self::TooOld { .. } => "Finish with the CamDock version that wrote it (`camdock run --drain`), then move journal.db, journal.db-wal and journal.db-shm aside and start this one: the journal is rebuilt from the custody log.".into(),
            Self::IllegalStep { .. } => "This is a defect: report it with the log lines around it. No footage is lost.".into(),
        }
    }
}

/// The station's journal. One writer: the running service; readers such as `camdock items` open it read-only.
pub struct Journal {
    connection: Mutex<Connection>,
    /// `None` for readers.
    keys: Option<KeySlots>,
}

impl Journal {
    /// Opens or creates the journal; a commit is on the disk when it returns. The item keys are beside it in `PATH-keys`.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut keys = path.as_os_str().to_owned();
        keys.push("-keys");
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Self::over(connection, || KeySlots::open(Path::new(&keys)))
    }

    /// A journal that lives for as long as one of its name is open in this program.
    #[cfg(test)]
    pub fn in_memory(name: &str) -> Result<Self, JournalError> {
        let connection = Connection::open(format!("file:{name}?mode=memory&cache=shared"))?;
        Self::over(connection, || KeySlots::in_memory(name))
    }

    fn over(
        connection: Connection,
        keys: impl FnOnce() -> Result<KeySlots, JournalError>,
    ) -> Result<Self, JournalError> {
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::create(&connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
            keys: Some(keys()?),
        })
    }

    /// Whether an item's key survived the loss of the journal.
    pub fn has_key(&self, id: EvidenceId) -> bool {
        self.keys
            .as_ref()
            .is_some_and(|keys| keys.get(id).is_some())
    }

    /// A kill may have come between an item's last step and the erasing of its key. Only for a journal that knows all items in
    /// flight: to one that was lost and is not rebuilt yet, every key is unused.
    pub fn erase_unused_keys(&self) -> Result<(), JournalError> {
        use ItemState::{Logged, Pulling, Sealed, Stored, Uploading};
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let mut unused = Vec::new();
        for id in keys.ids() {
            let sql = "SELECT state FROM items WHERE id = ?1";
            let state: Option<ItemState> = self.row(sql, [id], |row| row.get(0))?;
            if !matches!(state, Some(Pulling | Sealed | Logged | Uploading | Stored)) {
                unused.push(id);
            }
        }
        keys.erase(&unused)
    }

    /// Keeps the keys of these items; they are durable after [`Self::sync_keys`].
    fn put_keys(&self, items: &[ItemRow]) -> Result<(), JournalError> {
        for item in items {
            if let (Some(keys), Some(wrapped)) = (&self.keys, &item.wrapped_key) {
                keys.put(item.id, wrapped)?;
            }
        }
        Ok(())
    }

    fn sync_keys(&self) -> Result<(), JournalError> {
        self.keys.as_ref().map_or(Ok(()), KeySlots::sync)
    }

    /// When this returns, the item's key is in no file.
    fn erase_key(&self, id: EvidenceId) -> Result<(), JournalError> {
        if let Some(keys) = &self.keys {
            keys.erase(&[id])?;
        }
        reached!("journal: key erased");
        Ok(())
    }

    /// For the reading verbs, beside a running service.
    pub fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let connection =
            Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        schema::check_made(&connection)?;
        Ok(Self {
            connection: Mutex::new(connection),
            keys: None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    /// All rows that a query gives.
    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(values, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The one row that a query gives, if it gives any.
    fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row(values, read).optional()?)
    }

    /// The number that a query gives.
    fn count(&self, sql: &str, values: impl Params) -> Result<u64, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let count: Unsigned = statement.query_row(values, |row| row.get(0))?;
        Ok(count.0)
    }

    /// One change that is a transaction of its own.
    fn change(&self, sql: &str, values: impl Params) -> Result<(), JournalError> {
        self.lock().execute(sql, values)?;
        Ok(())
    }

    /// A step that costs only work when a power cut takes it back, so it does not wait for the disk. It becomes durable with
    /// the next step that does.
    fn unsynced<T>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let connection = self.lock();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let done = step(&connection);
        connection.pragma_update(None, "synchronous", "FULL")?;
        done
    }

    /// Grows with every row that this station writes: while it stays the same, no query gives another answer.
    pub fn changes(&self) -> u64 {
        self.lock().total_changes()
    }

    /// A number kept under a name, such as how much of the log is in the bucket.
    pub fn number(&self, name: &str) -> Result<Option<u64>, JournalError> {
        self.row("SELECT value FROM numbers WHERE name = ?1", [name], |row| {
            Ok(row.get::<_, Unsigned>(0)?.0)
        })
    }

    pub fn set_number(&self, name: &str, value: u64) -> Result<(), JournalError> {
        step!("journal set_number");
        self.change(
            "INSERT INTO numbers (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            (name, Unsigned(value)),
        )
    }
}
