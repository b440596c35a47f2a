//! Which log entries speak of an item or a dock session: a lookup beside the log, made from it and thrown away at will.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};

use super::JournalError;

/// A file of its own: it is written without syncs, and whatever is wrong with it, it is made anew.
pub struct EntryIndex {
    connection: Mutex<Connection>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS mentions (id BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (id, entry)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upto (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL);
";

impl EntryIndex {
    /// Opens it, or begins anew when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::try_open(path).or_else(|_| {
            for end in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
            Self::try_open(path)
        })
    }

    fn try_open(path: &Path) -> Result<Self, JournalError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// How many entries of the log, from the first on, are looked up already.
    pub fn upto(&self) -> Result<u64, JournalError> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let upto: Option<i64> = connection
            .prepare_cached("SELECT entries FROM upto WHERE one = 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(upto.unwrap_or(0).cast_unsigned())
    }

    /// Adds what the next entries speak of, and how far that goes.
    pub fn add(&self, mentions: &[([u8; 16], u64)], upto: u64) -> Result<(), JournalError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let tx = connection.transaction()?;
        {
            let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO mentions VALUES (?1, ?2)")?;
            for (id, entry) in mentions {
                insert.execute((id, entry.cast_signed()))?;
            }
        }
        tx.execute(
            "INSERT INTO upto VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET entries = ?1",
            [upto.cast_signed()],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Forgets everything: the log is shorter than what was looked up, so it is another one.
    pub fn clear(&self) -> Result<(), JournalError> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch("DELETE FROM mentions; DELETE FROM upto;")?;
        Ok(())
    }

    /// Entries that speak of this item or session, oldest first, at most `limit`.
    pub fn of(&self, id: &[u8; 16], limit: u32) -> Result<Vec<u64>, JournalError> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection
            .prepare_cached("SELECT entry FROM mentions WHERE id = ?1 ORDER BY entry LIMIT ?2")?;
        let rows = statement.query_map((id, limit), |row| row.get::<_, i64>(0))?;
        let entries = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(i64::cast_unsigned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_index_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("entries.db");
        let index = EntryIndex::open(&path).unwrap();
        index
            .add(&[([1; 16], 3), ([1; 16], 9), ([2; 16], 4)], 10)
            .unwrap();
        assert_eq!(index.of(&[1; 16], 10).unwrap(), [3, 9]);
        drop(index);
        assert_eq!(EntryIndex::open(&path).unwrap().upto().unwrap(), 10);
        std::fs::write(&path, b"this is no database, not at all, whatever it is").unwrap();
        let index = EntryIndex::open(&path).unwrap();
        assert_eq!(
            (index.upto().unwrap(), index.of(&[1; 16], 10).unwrap()),
            (0, vec![])
        );
    }
}
