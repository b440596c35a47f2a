use rusqlite::Connection;

use super::JournalError;

const KNOWN: i64 = 1;

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

pub fn migrate(connection: &Connection) -> Result<(), JournalError> {
    if version(connection)? == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {FIRST} PRAGMA user_version = {KNOWN}; COMMIT;"
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
