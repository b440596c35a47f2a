use rusqlite::Connection;

use crate::failpoint::step;

use super::JournalError;

/// One step a schema version, oldest first. A released step never changes; new ones are added at the end.
const STEPS: &[&str] = &[FIRST, PREVIEWS, SEARCH, OFFICERS, BACKLOG];

#[allow(clippy::cast_possible_wrap)]
const KNOWN: i64 = STEPS.len() as i64;

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

/// How far the previews are.
const PREVIEWS: &str = "
CREATE TABLE previews (
    item BLOB NOT NULL, part TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, report TEXT, entry BLOB,
    PRIMARY KEY (item, part)
) WITHOUT ROWID;
CREATE INDEX previews_state ON previews (state);
";

/// What the pages and the metrics ask for. `totals` and `listing` follow `items` by themselves: a narrow table that is
/// searched instead of rows with manifests and keys in them. `missing` names files that left with their camera unread,
/// until they are taken after all.
const SEARCH: &str = "
ALTER TABLE items ADD COLUMN officer TEXT;
ALTER TABLE items ADD COLUMN decision TEXT;
ALTER TABLE sessions ADD COLUMN seen INTEGER;
ALTER TABLE sessions ADD COLUMN held INTEGER;
ALTER TABLE sessions ADD COLUMN missing INTEGER;
CREATE INDEX sessions_started ON sessions (started);
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
INSERT INTO totals SELECT state, COUNT(*), COALESCE(SUM(size), 0) FROM items GROUP BY state;
INSERT INTO listing SELECT i.id, i.session, i.state, i.camera, s.officer, CAST(i.path AS TEXT),
    COALESCE(substr(i.modified, 1, 10), substr(s.started, 1, 10), ''), i.quarantine IS NOT NULL
    FROM items i LEFT JOIN sessions s ON s.id = i.session;
CREATE INDEX listing_order ON listing (attention, id);
CREATE INDEX listing_officer ON listing (officer, attention, id);
CREATE INDEX listing_camera ON listing (camera, attention, id);
CREATE INDEX listing_state ON listing (state, attention, id);
CREATE INDEX listing_session ON listing (session, state);
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

/// Whose a session's items are, from the index alone.
const OFFICERS: &str = "
DROP INDEX listing_session;
CREATE INDEX listing_session ON listing (session, state, officer);
";

/// What waits for the store in the order in which it is sent: a long outage makes a long queue.
const BACKLOG: &str = "
CREATE INDEX items_to_upload ON items ((sealed_size > 8388608), flagged DESC, id) WHERE state IN ('logged', 'uploading');
";

pub fn migrate(connection: &Connection) -> Result<(), JournalError> {
    check(connection)?;
    let from = usize::try_from(version(connection)?).unwrap_or(0);
    for (step, known) in STEPS.iter().zip(1..).skip(from) {
        step!("journal migrate");
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version = {known}; COMMIT;"
        ))?;
    }
    Ok(())
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

/// For readers, who can't bring it up to date.
pub fn check_current(connection: &Connection) -> Result<(), JournalError> {
    check(connection)?;
    match version(connection)? {
        found if found < KNOWN => Err(JournalError::TooOld {
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
