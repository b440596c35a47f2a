//! Searching the evidence, page by page, and what is complete: for the pages and their exports.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row};

use super::columns::{column, id_column, path_column, state_name, state_of};
use super::sessions::camera;
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{
    BayName, CameraId, EvidenceId, ItemState, Officer, SessionId, Sha256Digest, SourcePath,
};

/// Counting stops here: a person wants to know "more than", not how many more.
const COUNT_MAX: u64 = 100_000;

/// What to look for; empty fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub officer: Option<String>,
    /// `make/serial`, or the serial alone.
    pub camera: Option<String>,
    /// Days of recording as the camera gives them (of docking where it gives none), `2026-01-31`, both inclusive.
    pub from_day: Option<String>,
    pub to_day: Option<String>,
    pub states: Vec<ItemState>,
    /// Part of the path, the camera or the officer, or an evidence id.
    pub text: Option<String>,
    /// Only what waits for a decision.
    pub attention: bool,
}

/// Where a page ended: whether its last item waits for a decision, and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchCursor(pub bool, pub EvidenceId);

/// One item as a search lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundItem {
    pub id: EvidenceId,
    pub session: SessionId,
    pub camera: Option<CameraId>,
    /// After any reassignment.
    pub officer: Option<Officer>,
    pub bay: Option<BayName>,
    pub path: SourcePath,
    pub size: u64,
    pub modified: Option<Timestamp>,
    pub state: ItemState,
    pub quarantine: Option<String>,
    /// What somebody decided about the quarantine.
    pub decision: Option<String>,
    pub sha256: Option<Sha256Digest>,
    pub docked: Option<Timestamp>,
    pub stored_at: Option<Timestamp>,
    pub log_index: Option<u64>,
    pub stored_index: Option<u64>,
}

impl FoundItem {
    pub const fn needs_decision(&self) -> bool {
        self.quarantine.is_some() && self.decision.is_none()
    }

    pub const fn cursor(&self) -> SearchCursor {
        SearchCursor(self.needs_decision(), self.id)
    }
}

/// Which items to list; `None` is all.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// `make/serial`, or the serial alone.
    pub camera: Option<String>,
    /// After any reassignment.
    pub officer: Option<String>,
    pub state: Option<ItemState>,
    /// Of docking, UTC: `2026-01-31`.
    pub day: Option<String>,
}

/// One page of a search: what needs a decision first, then the newest.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub items: Vec<FoundItem>,
    /// Where the next page begins, if there is one.
    pub next: Option<SearchCursor>,
}

/// What became of everything that one camera showed on one day (of docking, UTC).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraDay {
    pub day: String,
    /// `None`: cameras without a usable serial.
    pub camera: Option<String>,
    /// After any reassignment, separated by commas.
    pub officers: String,
    pub sessions: u64,
    /// Sessions that ended before everything was secured.
    pub interrupted: u64,
    pub seen: u64,
    pub held: u64,
    pub sealed: u64,
    pub stored: u64,
    /// Seen, and not taken to this day.
    pub missing: u64,
}

/// The cameras whose names are like `?`: one step of the index for each camera, however many items there are.
const CAMERAS: &str = "
    WITH RECURSIVE cameras (camera) AS (SELECT MIN(camera) FROM listing UNION ALL
        SELECT (SELECT MIN(camera) FROM listing n WHERE n.camera > cameras.camera) FROM cameras
        WHERE cameras.camera IS NOT NULL)
    SELECT camera FROM cameras WHERE camera LIKE ? ESCAPE '\\'";

/// Whose items one session has, each on a line; its own officer while there are none.
pub(super) const COMPLETENESS: &str =
    "SELECT substr(started, 1, 10) AS day, camera,
         GROUP_CONCAT(COALESCE((SELECT GROUP_CONCAT(officer, char(10)) FROM
             (SELECT DISTINCT l.officer AS officer FROM listing l WHERE l.session = s.id)), s.officer), char(10)),
         COUNT(*), SUM(complete IS 0),
         SUM(COALESCE(seen, (SELECT COUNT(*) FROM inventory v WHERE v.session = s.id))),
         SUM(COALESCE(held, (SELECT COUNT(*) FROM inventory v WHERE v.session = s.id AND outcome = 'held'))),
         SUM((SELECT COUNT(*) FROM listing l WHERE l.session = s.id
              AND l.state IN ('sealed', 'logged', 'uploading', 'stored', 'released'))),
         SUM((SELECT COUNT(*) FROM listing l WHERE l.session = s.id AND l.state IN ('stored', 'released'))),
         SUM((SELECT COUNT(*) FROM missing m WHERE m.session = s.id))
     FROM sessions s WHERE started >= ?1 AND started < ?2 || '~' GROUP BY day, camera
     ORDER BY day DESC, camera LIMIT ?3";

impl Search {
    /// One page after `after`, and its values.
    pub(super) fn page(&self, after: Option<SearchCursor>, limit: u32) -> (String, Vec<Value>) {
        let (mut condition, mut values) = self.condition();
        if let Some(SearchCursor(attention, id)) = after {
            let n = values.len();
            values.push(Value::Integer(attention.into()));
            values.push(Value::Blob(id.as_bytes().to_vec()));
            condition.push_str(&format!(" AND (attention, id) < (?{}, ?{})", n + 1, n + 2));
        }
        values.push(Value::Integer(i64::from(limit) + 1));
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT id, officer, attention FROM listing WHERE {condition}
                 ORDER BY attention DESC, id DESC LIMIT ?{}) l
             JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session ORDER BY l.attention DESC, l.id DESC",
            values.len()
        );
        (sql, values)
    }

    /// How many match, as far as is counted, and its values.
    pub(super) fn counting(&self) -> (String, Vec<Value>) {
        let (condition, values) = self.condition();
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM listing WHERE {condition} LIMIT {})",
            COUNT_MAX + 1
        );
        (sql, values)
    }

    /// The condition on `listing`, and its values from number `first` on.
    fn condition(&self) -> (String, Vec<Value>) {
        let (mut rest, mut values) = (String::from("1"), Vec::new());
        let mut and = |clause: &str, value: Value| {
            values.push(value);
            rest.push_str(" AND ");
            rest.push_str(&clause.replace('?', &format!("?{}", values.len())));
        };
        if let Some(officer) = &self.officer {
            and("officer = ?", officer.clone().into());
        }
        match &self.camera {
            Some(camera) if camera.contains('/') => and("camera = ?", camera.clone().into()),
            Some(serial) => and(
                &format!("camera IN ({CAMERAS})"),
                format!("%/{}", escaped(serial)).into(),
            ),
            None => {}
        }
        if let Some(day) = &self.from_day {
            and("day >= ?", day.clone().into());
        }
        if let Some(day) = &self.to_day {
            and("day <= ?", day.clone().into());
        }
        if let Some(text) = &self.text {
            match text.parse::<EvidenceId>() {
                Ok(id) => and("id = ?", id.as_bytes().to_vec().into()),
                Err(_) => and(
                    "(path LIKE ? ESCAPE '\\' OR camera LIKE ? ESCAPE '\\' OR officer LIKE ? ESCAPE '\\')",
                    format!("%{}%", escaped(text)).into(),
                ),
            }
        }
        if self.attention {
            rest.push_str(" AND attention = 1");
        }
        if !self.states.is_empty() {
            let names: Vec<_> = self
                .states
                .iter()
                .map(|s| format!("'{}'", state_name(*s)))
                .collect();
            rest.push_str(&format!(" AND state IN ({})", names.join(",")));
        }
        (rest, values)
    }
}

/// Lines, each once and in order, joined by commas.
fn each_once(lines: &str) -> String {
    let mut lines: Vec<_> = lines.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join(",")
}

/// For LIKE with the escape sign `\`.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

impl ItemFilter {
    /// One page after `after`, and its values.
    pub(super) fn page(&self, after: Option<EvidenceId>, limit: u32) -> (String, Vec<Value>) {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let mut values = vec![Value::Blob(after.to_vec()), Value::Integer(limit.into())];
        let mut rest = String::from("l.id > ?1");
        let mut and = |clause: &str, value: String| {
            values.push(value.into());
            rest.push_str(" AND ");
            rest.push_str(&clause.replace('?', &format!("?{}", values.len())));
        };
        match &self.camera {
            Some(camera) if camera.contains('/') => and("l.camera = ?", camera.clone()),
            Some(serial) => and(
                &format!("l.camera IN ({CAMERAS})"),
                format!("%/{}", escaped(serial)),
            ),
            None => {}
        }
        if let Some(officer) = &self.officer {
            and("l.officer = ?", officer.clone());
        }
        if let Some(state) = self.state {
            and("l.state = ?", state_name(state).to_owned());
        }
        if let Some(day) = &self.day {
            and(
                "l.session IN (SELECT id FROM sessions WHERE started >= ? AND started < ? || '~')",
                day.clone(),
            );
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM listing l JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session
             WHERE {rest} ORDER BY l.id LIMIT ?2"
        );
        (sql, values)
    }
}

impl Journal {
    /// One page of at most `limit` items after `after`.
    pub fn search(
        &self,
        search: &Search,
        after: Option<SearchCursor>,
        limit: u32,
    ) -> Result<Found, JournalError> {
        let (sql, values) = search.page(after, limit);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| Ok(read(row)))?;
        let mut items = rows
            .map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(FoundItem::cursor);
        Ok(Found { items, next })
    }

    /// Items after `after` in the order of their ids, which is that of their taking; at most `limit`.
    pub fn list(
        &self,
        filter: &ItemFilter,
        after: Option<EvidenceId>,
        limit: u32,
    ) -> Result<Vec<FoundItem>, JournalError> {
        let (sql, values) = filter.page(after, limit);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| Ok(read(row)))?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }

    /// How many match, and whether counting stopped before the end.
    pub fn count(&self, search: &Search) -> Result<(u64, bool), JournalError> {
        let (sql, values) = search.counting();
        let count: i64 = self
            .lock()
            .prepare_cached(&sql)?
            .query_row(rusqlite::params_from_iter(values), |row| row.get(0))?;
        let count = count.cast_unsigned();
        Ok((count.min(COUNT_MAX), count > COUNT_MAX))
    }

    pub fn found(&self, id: EvidenceId) -> Result<Option<FoundItem>, JournalError> {
        let connection = self.lock();
        let row = connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM listing l JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session
                 WHERE l.id = ?1"
            ))?
            .query_row([id.as_bytes()], |row| Ok(read(row)))
            .optional()?;
        row.transpose()
    }

    /// Per camera and day of docking, newest first; days inclusive, at most `limit` rows.
    pub fn completeness(
        &self,
        from_day: &str,
        to_day: &str,
        limit: u32,
    ) -> Result<Vec<CameraDay>, JournalError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(COMPLETENESS)?;
        let rows = statement.query_map((from_day, to_day, limit), |row| {
            let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
            Ok(CameraDay {
                day: row.get(0)?,
                camera: row.get(1)?,
                officers: each_once(&row.get::<_, Option<String>>(2)?.unwrap_or_default()),
                sessions: number(3)?,
                interrupted: number(4)?,
                seen: number(5)?,
                held: number(6)?,
                sealed: number(7)?,
                stored: number(8)?,
                missing: number(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Files that left unread with their camera in this session and were not taken since.
    pub fn still_missing(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<SourcePath>, JournalError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT path FROM missing WHERE session = ?1 ORDER BY path LIMIT ?2")?;
        let rows =
            statement.query_map((session.as_bytes(), limit), |row| Ok(path_column(row, 0)))?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }

    /// Somebody's decision on a quarantined item; its log entry is durable already. `false`: there is no such quarantine.
    pub fn decide(&self, id: EvidenceId, decision: &str) -> Result<bool, JournalError> {
        step!("journal decide");
        let changed = self.lock().execute(
            "UPDATE items SET decision = ?2 WHERE id = ?1 AND quarantine IS NOT NULL",
            (id.as_bytes(), decision),
        )?;
        Ok(changed > 0)
    }

    /// Another officer for one item; its log entry is durable already. `false`: there is no such item.
    pub fn reassign(&self, id: EvidenceId, officer: &Officer) -> Result<bool, JournalError> {
        step!("journal reassign");
        let changed = self.lock().execute(
            "UPDATE items SET officer = ?2 WHERE id = ?1",
            (id.as_bytes(), &officer.0),
        )?;
        Ok(changed > 0)
    }
}

const COLUMNS: &str = "i.id, i.session, i.camera, l.officer, s.bay, i.path, i.size, i.modified, i.state, i.quarantine, \
                       i.decision, i.sha256, s.started, i.stored_at, i.log_index, i.stored_index";

fn read(row: &Row<'_>) -> Result<FoundItem, JournalError> {
    let time = |index| -> Result<Option<Timestamp>, JournalError> {
        row.get::<_, Option<String>>(index)?
            .map(|t| column(&t, "a time"))
            .transpose()
    };
    let index = |at| -> Result<Option<u64>, JournalError> {
        Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
    };
    Ok(FoundItem {
        id: EvidenceId::from_bytes(id_column(row, 0, "evidence id")?),
        session: SessionId::from_bytes(id_column(row, 1, "session id")?),
        camera: camera(row.get(2)?)?,
        officer: row.get::<_, Option<String>>(3)?.map(Officer),
        bay: row.get::<_, Option<String>>(4)?.map(|b| BayName::new(&b)),
        path: path_column(row, 5)?,
        size: row.get::<_, i64>(6)?.cast_unsigned(),
        modified: time(7)?,
        state: state_of(&row.get::<_, String>(8)?)?,
        quarantine: row.get(9)?,
        decision: row.get(10)?,
        sha256: row.get::<_, Option<[u8; 32]>>(11)?.map(Sha256Digest),
        docked: time(12)?,
        stored_at: time(13)?,
        log_index: index(14)?,
        stored_index: index(15)?,
    })
}
