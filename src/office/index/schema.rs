//! The index's tables.

use rusqlite::Connection;

/// Grows whenever the tables change. An index of another version is made anew.
const VERSION: i64 = 13;

/// Times are milliseconds since 1970, ids 16-byte blobs, sizes bytes; `entry` is an index in the station's log. Keys of objects are
/// not kept: they follow from station, item and part. `edge` is what reading on needs of the log's tree.
///
/// Of an item: `n` is its number here; `name_group` stands for docking, camera and name without its ending; `recording` is the
/// video that a sidecar belongs to, and searches list what has none; `rank` orders searches (`ranks.rs`). `words` has the
/// letters of paths, three at a time; `mentions` the entries about an item that no other table names; `acts` the entries of the
/// office's own log about items, which stay when a station's log is read anew; those that name no station have the station 0.
/// `gaps` are those that the last search of a log found, `gap_acts` the acts that explain gaps.
/// `tags` is what they say of an item: `person` is 1 where a person did; `dock_tags` is what the station's own log says that officers said. `holds` has the entries that place and lift them, when the store last
/// said that it follows them, and when it was last asked to. `locks` has the ends
/// of renewed locks, and whether the store did not renew one. `disposals` has the proposals to delete that were not withdrawn, and
/// their approvals, each as the act says it, and the entry that says that the item is gone. `earlier_disposals` has what is gone by
/// the logs of offices before this one.
///
/// Of a session's camera: `clock_ahead` are the seconds that its clock was measured to be ahead, `clock_bound` at least how many where
/// nobody could measure it, `clock_zone` the zone of its times; `synchronised` says it of the station's own clock.
/// A session with a `source` is an import; `derived_from` is the original that an imported copy was declared to be made from.
const TABLES: &str = "
CREATE TABLE stations (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    entries INTEGER NOT NULL DEFAULT 0, edge BLOB NOT NULL DEFAULT x'', last_entry INTEGER, items INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0, unfit INTEGER NOT NULL DEFAULT 0, unfit_note TEXT,
    code TEXT, problem TEXT,
    listed_from INTEGER, listed INTEGER, objects INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0, foreign_objects INTEGER NOT NULL DEFAULT 0, wrong_size INTEGER NOT NULL DEFAULT 0,
    unnamed INTEGER NOT NULL DEFAULT 0,
    swept_to BLOB NOT NULL DEFAULT x'', swept_once INTEGER, recipients INTEGER,
    gaps INTEGER NOT NULL DEFAULT 0, gaps_explained INTEGER NOT NULL DEFAULT 0, gaps_at INTEGER
);
CREATE TABLE cameras (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, serial TEXT NOT NULL);
CREATE INDEX cameras_serial ON cameras (serial);
CREATE TABLE officers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, station INTEGER NOT NULL, session BLOB NOT NULL, docked INTEGER, ended INTEGER, source TEXT,
    docked_at INTEGER, clock_ahead INTEGER, clock_bound INTEGER, clock_zone TEXT, synchronised INTEGER,
    UNIQUE (station, session)
);
CREATE TABLE items (
    n INTEGER PRIMARY KEY, station INTEGER NOT NULL, id BLOB NOT NULL, entry INTEGER NOT NULL, session INTEGER, camera INTEGER,
    officer INTEGER, path TEXT NOT NULL, kind TEXT NOT NULL, flagged INTEGER NOT NULL, recorded INTEGER, sealed INTEGER NOT NULL,
    stored INTEGER, size INTEGER NOT NULL, keyless INTEGER NOT NULL DEFAULT 0, undecided INTEGER NOT NULL DEFAULT 0,
    name_group INTEGER, recording INTEGER, rank INTEGER NOT NULL, derived_from BLOB, duration INTEGER
);
CREATE UNIQUE INDEX items_id ON items (station, id);
CREATE INDEX items_newest ON items (rank) WHERE recording IS NULL;
CREATE INDEX items_officer ON items (officer, rank) WHERE recording IS NULL;
CREATE INDEX items_camera ON items (camera, rank) WHERE recording IS NULL;
CREATE INDEX items_station ON items (station, rank) WHERE recording IS NULL;
CREATE INDEX items_kind ON items (kind, rank) WHERE recording IS NULL AND kind != 'video';
CREATE INDEX items_not_stored ON items (rank) WHERE stored IS NULL;
CREATE INDEX items_in_quarantine ON items (rank) WHERE undecided;
CREATE INDEX items_group ON items (name_group) WHERE name_group IS NOT NULL;
CREATE INDEX items_recording ON items (recording) WHERE recording IS NOT NULL;
CREATE INDEX items_undecided ON items (station) WHERE undecided;
CREATE INDEX items_derived ON items (derived_from) WHERE derived_from IS NOT NULL;
CREATE INDEX items_waiting ON items (station, sealed) WHERE stored IS NULL;
CREATE VIRTUAL TABLE words USING fts5(path, content='', contentless_delete=1, detail='none', tokenize='trigram');
CREATE TABLE mentions (item INTEGER NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (item, entry)) WITHOUT ROWID;
CREATE TABLE objects (
    station INTEGER NOT NULL, item BLOB NOT NULL, part TEXT NOT NULL, entry INTEGER NOT NULL, size INTEGER NOT NULL,
    version TEXT, checksum TEXT NOT NULL, lock_mode TEXT, lock_until INTEGER,
    PRIMARY KEY (station, item, part)
) WITHOUT ROWID;
CREATE TABLE findings (
    station INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, item BLOB, what TEXT NOT NULL, since INTEGER NOT NULL,
    round INTEGER NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (station, kind, key)
) WITHOUT ROWID;
CREATE TABLE acts (
    station INTEGER NOT NULL, item BLOB NOT NULL, entry INTEGER NOT NULL, event TEXT NOT NULL, officer TEXT, content BLOB NOT NULL,
    PRIMARY KEY (station, item, entry)
) WITHOUT ROWID;
CREATE TABLE gaps (
    station INTEGER NOT NULL, gap TEXT NOT NULL, code TEXT NOT NULL, camera TEXT, officer TEXT, item BLOB, since INTEGER,
    what TEXT NOT NULL, PRIMARY KEY (station, gap)
) WITHOUT ROWID;
CREATE TABLE gap_acts (
    station INTEGER NOT NULL, gap TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (station, gap)
) WITHOUT ROWID;
CREATE TABLE acts_read (entries INTEGER NOT NULL);
INSERT INTO acts_read VALUES (0);
CREATE TABLE tags (
    station INTEGER NOT NULL, item BLOB NOT NULL, entry INTEGER NOT NULL, person INTEGER NOT NULL, incident TEXT COLLATE NOCASE,
    category TEXT COLLATE NOCASE, exhibit TEXT COLLATE NOCASE, text TEXT, restricted INTEGER NOT NULL,
    PRIMARY KEY (station, item)
) WITHOUT ROWID;
CREATE TABLE dock_tags (
    station INTEGER NOT NULL, item BLOB NOT NULL, entry INTEGER NOT NULL, incident TEXT COLLATE NOCASE, category TEXT COLLATE NOCASE,
    PRIMARY KEY (station, item)
) WITHOUT ROWID;
CREATE INDEX dock_tags_incident ON dock_tags (incident) WHERE incident IS NOT NULL;
CREATE TABLE holds (
    station INTEGER NOT NULL, item BLOB NOT NULL, entry INTEGER NOT NULL, lifted INTEGER, settled INTEGER, tried INTEGER NOT NULL,
    PRIMARY KEY (station, item, entry)
) WITHOUT ROWID;
CREATE TABLE classes (
    station INTEGER NOT NULL, item BLOB NOT NULL, class TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (station, item)
) WITHOUT ROWID;
CREATE TABLE locks (
    station INTEGER NOT NULL, item BLOB NOT NULL, until INTEGER, objects INTEGER NOT NULL DEFAULT 0, trouble INTEGER NOT NULL DEFAULT 0,
    tried INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (station, item)
) WITHOUT ROWID;
CREATE TABLE disposals (
    station INTEGER NOT NULL, item BLOB NOT NULL, proposed INTEGER NOT NULL, proposal BLOB NOT NULL, proposed_at INTEGER NOT NULL,
    approved INTEGER, approval BLOB, approved_at INTEGER, disposed INTEGER, PRIMARY KEY (station, item)
) WITHOUT ROWID;
CREATE TABLE earlier_disposals (station INTEGER NOT NULL, item BLOB NOT NULL, PRIMARY KEY (station, item)) WITHOUT ROWID;
CREATE INDEX locks_trouble ON locks (station) WHERE trouble > 0;
CREATE INDEX acts_entry ON acts (entry);
CREATE INDEX tags_incident ON tags (incident) WHERE incident IS NOT NULL;
CREATE INDEX tags_restricted ON tags (station, item) WHERE restricted;
CREATE INDEX tags_exhibit ON tags (exhibit) WHERE exhibit IS NOT NULL;
CREATE INDEX findings_item ON findings (station, item) WHERE item IS NOT NULL;
";

/// A station's row as it was before anything was read or listed.
pub const RESET: &str = "
UPDATE stations SET entries = 0, edge = x'', last_entry = NULL, items = 0, unknown = 0, unfit = 0, unfit_note = NULL, code = NULL,
    problem = NULL, listed_from = NULL, listed = NULL, objects = 0, missing = 0, foreign_objects = 0, wrong_size = 0, unnamed = 0,
    swept_to = x'', swept_once = NULL, recipients = NULL, gaps = 0, gaps_explained = 0, gaps_at = NULL WHERE id = ?1";

/// Makes the tables in a new file; `false` if the file has tables of another version.
pub fn create(connection: &Connection) -> rusqlite::Result<bool> {
    if version(connection)? == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    known(connection)
}

pub fn known(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? == VERSION)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
