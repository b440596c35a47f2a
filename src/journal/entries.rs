//! Which log entries speak of an item or a dock session: a lookup beside the log, made from it and thrown away at will.

use std::path::Path;

use parking_lot::Mutex;
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
        let connection = self.connection.lock();
        let upto: Option<i64> = connection
            .prepare_cached("SELECT entries FROM upto WHERE one = 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(upto.unwrap_or(0).cast_unsigned())
    }

    /// Adds what the next entries speak of, and how far that goes.
    pub fn add(&self, mentions: &[([u8; 16], u64)], upto: u64) -> Result<(), JournalError> {
        let mut connection = self.connection.lock();
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
        let connection = self.connection.lock();
        connection.execute_batch("DELETE FROM mentions; DELETE FROM upto;")?;
        Ok(())
    }

    /// Entries from `first` on that speak of one of these items or sessions, oldest first, at most `limit`.
    pub fn of(
        &self,
        ids: [&[u8; 16]; 2],
        first: u64,
        limit: usize,
    ) -> Result<Vec<u64>, JournalError> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT entry FROM mentions WHERE id IN (?1, ?2) AND entry >= ?3 ORDER BY entry LIMIT ?4",
        )?;
        let asked = (
            ids[0],
            ids[1],
            first.cast_signed(),
            i64::try_from(limit).unwrap_or(i64::MAX),
        );
        let rows = statement.query_map(asked, |row| row.get::<_, i64>(0))?;
        let entries = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(i64::cast_unsigned).collect())
    }

    /// How many of the log's first `before` entries speak of one of these.
    pub fn count(&self, ids: [&[u8; 16]; 2], before: u64) -> Result<u64, JournalError> {
        let connection = self.connection.lock();
        let count: i64 = connection
            .prepare_cached(
                "SELECT COUNT(DISTINCT entry) FROM mentions WHERE id IN (?1, ?2) AND entry < ?3",
            )?
            .query_row((ids[0], ids[1], before.cast_signed()), |row| row.get(0))?;
        Ok(count.cast_unsigned())
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
        let both = [&[1; 16], &[2; 16]];
        assert_eq!(index.of(both, 0, 10).unwrap(), [3, 4, 9]);
        assert_eq!(index.of(both, 4, 1).unwrap(), [4]);
        assert_eq!(index.of([&[1; 16], &[1; 16]], 0, 10).unwrap(), [3, 9]);
        assert_eq!(index.count(both, 10).unwrap(), 3);
        assert_eq!(index.count(both, 9).unwrap(), 2);
        drop(index);
        assert_eq!(EntryIndex::open(&path).unwrap().upto().unwrap(), 10);
        std::fs::write(&path, b"this is no database, not at all, whatever it is").unwrap();
        let index = EntryIndex::open(&path).unwrap();
        assert_eq!(
            (index.upto().unwrap(), index.of(both, 0, 10).unwrap()),
            (0, vec![])
        );
    }
}
