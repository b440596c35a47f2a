//! An index of the log entries that name an item or a dock session. It is made from the log and can be made again at any time.

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};

use super::JournalError;
use super::sql::Unsigned;

/// In a file of its own, written without syncs. A file that cannot be read is thrown away and made again.
pub struct EntryIndex {
    connection: Mutex<Connection>,
}

/// An entry of the log that names an item or a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    pub id: [u8; 16],
    pub entry: u64,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS mentions (id BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (id, entry)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upto (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL);
";

impl EntryIndex {
    /// Opens the index, or begins a new one when it cannot be read.
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

    /// The number of the log's entries, from the first on, that are indexed.
    pub fn upto(&self) -> Result<u64, JournalError> {
        let connection = self.connection.lock();
        let upto: Option<Unsigned> = connection
            .prepare_cached("SELECT entries FROM upto WHERE one = 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(upto.map_or(0, |entries| entries.0))
    }

    /// Adds what the next entries name; the index then covers `upto` entries.
    pub fn add(&self, mentions: &[Mention], upto: u64) -> Result<(), JournalError> {
        let mut connection = self.connection.lock();
        let tx = connection.transaction()?;
        {
            let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO mentions VALUES (?1, ?2)")?;
            for Mention { id, entry } in mentions {
                insert.execute((id, Unsigned(*entry)))?;
            }
        }
        tx.execute(
            "INSERT INTO upto VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET entries = ?1",
            [Unsigned(upto)],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Forgets everything: the log is shorter than what was indexed, so it is another one.
    pub fn clear(&self) -> Result<(), JournalError> {
        let connection = self.connection.lock();
        connection.execute_batch("DELETE FROM mentions; DELETE FROM upto;")?;
        Ok(())
    }

    /// Entries from `first` on that name one of these items or sessions, oldest first, at most `limit`.
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
            Unsigned(first),
            i64::try_from(limit).unwrap_or(i64::MAX),
        );
        let rows = statement.query_map(asked, |row| Ok(row.get::<_, Unsigned>(0)?.0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of the log's first `before` entries that name one of these.
    pub fn count(&self, ids: [&[u8; 16]; 2], before: u64) -> Result<u64, JournalError> {
        let connection = self.connection.lock();
        let count: Unsigned = connection
            .prepare_cached(
                "SELECT COUNT(DISTINCT entry) FROM mentions WHERE id IN (?1, ?2) AND entry < ?3",
            )?
            .query_row((ids[0], ids[1], Unsigned(before)), |row| row.get(0))?;
        Ok(count.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_index_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("entries.db");
        let index = EntryIndex::open(&path).unwrap();
        let mentions = [(1, 3), (1, 9), (2, 4)].map(|(id, entry)| Mention {
            id: [id; 16],
            entry,
        });
        index.add(&mentions, 10).unwrap();
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
