//! The journal's tables.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::failpoint::step;

use super::JournalError;

/// Grows whenever the tables change. A journal of another version is refused: it can be rebuilt from the custody log.
const VERSION: i64 = 12;

/// The file is there a moment before its tables are.
const MADE_WITHIN: Duration = Duration::from_secs(5);

/// Times are RFC 3339 text, ids 16-byte blobs, sizes bytes. `stored_entry` and `stored_receipt` are kept until the log and
/// the store have them. `first_lock` is the one of all objects of an item; `clock_ahead`, in seconds, is measured. `ends` has digests of the first and the last bytes of an item's content; an item may have none.
/// A session with a `source` is an import. `duration` of a preview is that of its recording in milliseconds; `dock_tags` are what officers
/// said at the dock, after it is in the log; `disposals` are what a believed office's log says was deleted by rule, as JSON.
const WORK: &str = "
CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    id BLOB PRIMARY KEY, bay TEXT NOT NULL, camera TEXT, profile TEXT NOT NULL, access TEXT NOT NULL,
    officer TEXT, quarantine TEXT, started TEXT NOT NULL, ended TEXT, complete INTEGER,
    seen INTEGER, held INTEGER, missing INTEGER, clock_ahead INTEGER, source TEXT
) WITHOUT ROWID;
CREATE INDEX sessions_started ON sessions (started);
CREATE TABLE inventory (
    session BLOB NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, modified TEXT, kind TEXT NOT NULL,
    flagged INTEGER NOT NULL, rank INTEGER NOT NULL, outcome TEXT NOT NULL, item BLOB, logged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, path)
) WITHOUT ROWID;
CREATE INDEX inventory_order ON inventory (session, outcome, rank, modified, path);
CREATE TABLE items (
    id BLOB PRIMARY KEY, session BLOB NOT NULL, camera TEXT, path BLOB NOT NULL, size INTEGER NOT NULL, modified TEXT,
    kind TEXT NOT NULL, flagged INTEGER NOT NULL, state TEXT NOT NULL, sha256 BLOB,
    sealed_size INTEGER, item_key_message BLOB, manifest BLOB, quarantine TEXT, log_index INTEGER, officer TEXT,
    decision TEXT, stored_at TEXT, stored_entry BLOB, stored_index INTEGER, stored_receipt BLOB,
    wiped INTEGER NOT NULL DEFAULT 0, first_lock TEXT
) WITHOUT ROWID;
CREATE INDEX items_held ON items (camera, path);
CREATE INDEX items_state ON items (state);
CREATE INDEX items_session ON items (session);
CREATE INDEX items_to_upload ON items ((sealed_size > 8388608), flagged DESC, id) WHERE state IN ('logged', 'uploading');
CREATE TABLE ends (item BLOB PRIMARY KEY, first BLOB NOT NULL, last BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE uploads (
    key TEXT PRIMARY KEY, upload_id TEXT NOT NULL, part_size INTEGER NOT NULL, retention TEXT
) WITHOUT ROWID;
CREATE TABLE parts (
    key TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
CREATE TABLE previews (
    item BLOB NOT NULL, part TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, report TEXT, entry BLOB,
    duration INTEGER, PRIMARY KEY (item, part)
) WITHOUT ROWID;
CREATE TABLE disposals (item BLOB PRIMARY KEY, told TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE dock_tags (item BLOB PRIMARY KEY, incident TEXT, category TEXT) WITHOUT ROWID;
CREATE INDEX previews_state ON previews (state);
";

/// Columns for the pages and the metrics. Triggers keep `totals` and `listing` in line with `items`: a narrow table is
/// searched instead of rows with manifests and keys in them. `missing` names files that left with their camera unread,
/// until they are taken after all.
const SEARCH: &str = "
CREATE TABLE missing (
    camera TEXT NOT NULL, path BLOB NOT NULL, session BLOB NOT NULL, size INTEGER NOT NULL, modified TEXT,
    PRIMARY KEY (camera, path, session)
) WITHOUT ROWID;
CREATE INDEX missing_session ON missing (session);
CREATE TABLE totals (state TEXT PRIMARY KEY, items INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE listing (
    id BLOB PRIMARY KEY, session BLOB NOT NULL, state TEXT NOT NULL, camera TEXT, officer TEXT, path TEXT NOT NULL,
    day TEXT NOT NULL, attention INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX listing_order ON listing (attention, id);
CREATE INDEX listing_officer ON listing (officer, attention, id);
CREATE INDEX listing_camera ON listing (camera, attention, id);
CREATE INDEX listing_state ON listing (state, attention, id);
CREATE INDEX listing_session ON listing (session, state, officer);
CREATE TRIGGER items_added AFTER INSERT ON items BEGIN
    INSERT INTO totals VALUES (NEW.state, 1, NEW.size)
        ON CONFLICT (state) DO UPDATE SET items = items + 1, bytes = bytes + NEW.size;
    INSERT INTO listing VALUES (NEW.id, NEW.session, NEW.state, NEW.camera,
        COALESCE(NEW.officer, (SELECT officer FROM sessions WHERE id = NEW.session)), CAST(NEW.path AS TEXT),
        COALESCE(substr(NEW.modified, 1, 10), (SELECT substr(started, 1, 10) FROM sessions WHERE id = NEW.session), ''),
        NEW.quarantine IS NOT NULL AND NEW.decision IS NULL);
END;
CREATE TRIGGER items_gone AFTER DELETE ON items BEGIN
    UPDATE totals SET items = items - 1, bytes = bytes - OLD.size WHERE state = OLD.state;
    DELETE FROM listing WHERE id = OLD.id;
END;
CREATE TRIGGER items_changed AFTER UPDATE OF state, session, officer, quarantine, decision ON items BEGIN
    UPDATE totals SET items = items - 1, bytes = bytes - OLD.size WHERE state = OLD.state;
    INSERT INTO totals VALUES (NEW.state, 1, NEW.size)
        ON CONFLICT (state) DO UPDATE SET items = items + 1, bytes = bytes + NEW.size;
    UPDATE listing SET state = NEW.state, session = NEW.session,
        officer = COALESCE(NEW.officer, (SELECT officer FROM sessions WHERE id = NEW.session)),
        attention = NEW.quarantine IS NOT NULL AND NEW.decision IS NULL WHERE id = NEW.id;
END;
CREATE TRIGGER missing_found AFTER UPDATE OF outcome ON inventory WHEN NEW.outcome IN ('secured', 'held') BEGIN
    DELETE FROM missing WHERE path = NEW.path AND camera = (SELECT camera FROM sessions WHERE id = NEW.session);
END;
";

/// Makes the tables in a new file; checks the version of one that has them.
pub fn create(connection: &Connection) -> Result<(), JournalError> {
    if version(connection)? != 0 {
        return check(connection);
    }
    step!("journal create");
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {WORK} {SEARCH} PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(())
}

/// For readers: waits until a service that starts has made the tables.
pub fn check_made(connection: &Connection) -> Result<(), JournalError> {
    let limit = Instant::now() + MADE_WITHIN;
    while version(connection)? == 0 {
        if Instant::now() > limit {
            return Err(JournalError::NotMade);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    check(connection)
}

fn check(connection: &Connection) -> Result<(), JournalError> {
    let (found, known) = (version(connection)?, VERSION);
    match found.cmp(&known) {
        Ordering::Less => Err(JournalError::TooOld { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(JournalError::TooNew { found, known }),
    }
}

fn version(connection: &Connection) -> Result<i64, JournalError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_waits_for_a_journal_that_is_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let maker = Connection::open(&path).unwrap();
        maker.pragma_update(None, "journal_mode", "WAL").unwrap();
        let reader = std::thread::spawn({
            let path = path.clone();
            move || crate::journal::Journal::open_read_only(&path).map(drop)
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!reader.is_finished());
        create(&maker).unwrap();
        reader.join().unwrap().unwrap();
    }

    #[test]
    fn a_journal_of_another_version_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        create(&connection).unwrap();
        let at = |version| {
            connection
                .pragma_update(None, "user_version", version)
                .unwrap();
            create(&connection)
        };
        assert!(matches!(at(VERSION - 1), Err(JournalError::TooOld { .. })));
        assert!(matches!(at(VERSION + 1), Err(JournalError::TooNew { .. })));
        at(VERSION).unwrap();
    }
}
