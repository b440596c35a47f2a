use rusqlite::Connection;

use super::JournalError;

const KNOWN: i64 = 2;

/// Times are RFC 3339 text, ids 16-byte blobs, sizes bytes.
const FIRST: &str = "
CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    id BLOB PRIMARY KEY, bay TEXT NOT NULL, camera TEXT, profile TEXT NOT NULL, access TEXT NOT NULL,
    officer TEXT, quarantine TEXT, started TEXT NOT NULL, ended TEXT, complete INTEGER
) WITHOUT ROWID;
CREATE TABLE inventory (
    session BLOB NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, modified TEXT, kind TEXT NOT NULL,
    flagged INTEGER NOT NULL, rank INTEGER NOT NULL, outcome TEXT NOT NULL, item BLOB, logged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, path)
) WITHOUT ROWID;
CREATE INDEX inventory_order ON inventory (session, outcome, rank, modified, path);
CREATE TABLE items (
    id BLOB PRIMARY KEY, session BLOB NOT NULL, camera TEXT, path BLOB NOT NULL, size INTEGER NOT NULL, modified TEXT,
    kind TEXT NOT NULL, flagged INTEGER NOT NULL, state TEXT NOT NULL, wrapped_key BLOB, sha256 BLOB,
    sealed_size INTEGER, item_key_message BLOB, manifest BLOB, quarantine TEXT, log_index INTEGER, stored_entry BLOB,
    stored_index INTEGER, stored_at TEXT
) WITHOUT ROWID;
CREATE INDEX items_held ON items (camera, path);
CREATE INDEX items_state ON items (state);
CREATE INDEX items_session ON items (session);
CREATE TABLE uploads (
    key TEXT PRIMARY KEY, upload_id TEXT NOT NULL, part_size INTEGER NOT NULL, retention TEXT
) WITHOUT ROWID;
CREATE TABLE parts (
    key TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
";

/// Version 2: how far the previews are.
const PREVIEWS: &str = "
CREATE TABLE previews (
    item BLOB NOT NULL, part TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, report TEXT, entry BLOB,
    PRIMARY KEY (item, part)
) WITHOUT ROWID;
CREATE INDEX previews_state ON previews (state);
";

/// Step N brings version N to the next.
const STEPS: [&str; 2] = [FIRST, PREVIEWS];

pub fn migrate(connection: &Connection) -> Result<(), JournalError> {
    let found = usize::try_from(version(connection)?).unwrap_or(usize::MAX);
    for (step, to) in STEPS.iter().zip(1..).skip(found) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version = {to}; COMMIT;"
        ))?;
    }
    check(connection)
}

pub fn check(connection: &Connection) -> Result<(), JournalError> {
    match version(connection)? {
        found if found > KNOWN => Err(JournalError::TooNew {
            found,
            known: KNOWN,
        }),
        _ => Ok(()),
    }
}

fn version(connection: &Connection) -> Result<i64, JournalError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_the_first_version_is_brought_up_to_date() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&format!("{FIRST} PRAGMA user_version = 1;"))
            .unwrap();
        connection
            .execute("INSERT INTO numbers VALUES ('published', 7)", [])
            .unwrap();
        migrate(&connection).unwrap();
        migrate(&connection).unwrap();
        assert_eq!(version(&connection).unwrap(), KNOWN);
        let kept: i64 = connection
            .query_row("SELECT value FROM numbers", [], |row| row.get(0))
            .unwrap();
        let previews: i64 = connection
            .query_row("SELECT COUNT(*) FROM previews", [], |row| row.get(0))
            .unwrap();
        assert_eq!((kept, previews), (7, 0));
        connection
            .pragma_update(None, "user_version", KNOWN + 1)
            .unwrap();
        assert!(matches!(
            migrate(&connection),
            Err(JournalError::TooNew { .. })
        ));
    }
}
