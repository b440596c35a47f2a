//! Searching the evidence, page by page: for the pages, their exports and the command line.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde::{Serialize, Serializer};

use super::items::state_list;
use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::model::{
    BayName, CameraId, EvidenceId, ItemKind, ItemState, Officer, SessionId, Sha256Digest,
    SourcePath,
};

/// Counting stops here: beyond it, a person only wants to know that there are more.
const COUNT_MAX: u64 = 100_000;

/// The criteria of a search; empty fields match everything.
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
pub struct SearchCursor {
    pub attention: bool,
    pub id: EvidenceId,
}

/// One item as a search lists it, as the pages and exports show it and as `camdock items` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundItem {
    #[serde(rename = "evidence")]
    pub id: EvidenceId,
    #[serde(skip)]
    pub session: SessionId,
    pub camera: Option<CameraId>,
    /// After any reassignment.
    pub officer: Option<Officer>,
    pub bay: Option<BayName>,
    /// Shown with invisible characters escaped.
    #[serde(serialize_with = "shown")]
    pub path: SourcePath,
    #[serde(rename = "bytes")]
    pub size: u64,
    #[serde(rename = "camera_time")]
    pub modified: Option<Timestamp>,
    pub kind: ItemKind,
    /// The officer marked it on the camera.
    pub flagged: bool,
    pub state: ItemState,
    pub quarantine: Option<String>,
    /// The decision about the quarantine, if there is one.
    pub decision: Option<String>,
    pub sha256: Option<Sha256Digest>,
    pub docked: Option<Timestamp>,
    pub stored_at: Option<Timestamp>,
    #[serde(rename = "log_entry")]
    pub log_index: Option<u64>,
    #[serde(rename = "stored_entry")]
    pub stored_index: Option<u64>,
}

fn shown<S: Serializer>(path: &SourcePath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

impl FoundItem {
    pub const fn needs_decision(&self) -> bool {
        self.quarantine.is_some() && self.decision.is_none()
    }

    pub const fn cursor(&self) -> SearchCursor {
        SearchCursor {
            attention: self.needs_decision(),
            id: self.id,
        }
    }
}

/// Selects the items to list; `None` is all.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// `make/serial`, or the serial alone.
    pub camera: Option<String>,
    /// After any reassignment.
    pub officer: Option<String>,
    pub state: Option<ItemState>,
    /// As in [`Search`].
    pub from_day: Option<String>,
    pub to_day: Option<String>,
}

/// One page of a search: what needs a decision first, then the newest.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    pub items: Vec<FoundItem>,
    /// Where the next page begins, if there is one.
    pub next: Option<SearchCursor>,
}

/// The number of items that match a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchCount {
    pub items: u64,
    /// Counting stopped at `items`; there are more.
    pub more: bool,
}

/// The cameras whose names are like `?`: one step of the index for each camera, however many items there are.
const CAMERAS: &str = "
    WITH RECURSIVE cameras (camera) AS (SELECT MIN(camera) FROM listing UNION ALL
        SELECT (SELECT MIN(camera) FROM listing n WHERE n.camera > cameras.camera) FROM cameras
        WHERE cameras.camera IS NOT NULL)
    SELECT camera FROM cameras WHERE camera LIKE ? ESCAPE '\\'";

impl Search {
    /// One page after `after`, and its values.
    pub(super) fn page(&self, after: Option<SearchCursor>, limit: u32) -> (String, Vec<Value>) {
        let (mut condition, mut values) = self.condition();
        if let Some(SearchCursor { attention, id }) = after {
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

    /// The number of matches, as far as they are counted, and its values.
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
            rest.push_str(&format!(" AND state IN ({})", state_list(&self.states)));
        }
        (rest, values)
    }
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
            and("l.state = ?", state.as_str().to_owned());
        }
        if let Some(day) = &self.from_day {
            and("l.day >= ?", day.clone());
        }
        if let Some(day) = &self.to_day {
            and("l.day <= ?", day.clone());
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
    ) -> Result<SearchPage, JournalError> {
        let (sql, values) = search.page(after, limit);
        let mut items = self.rows(&sql, params_from_iter(values), read)?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(FoundItem::cursor);
        Ok(SearchPage { items, next })
    }

    /// Items after `after` in the order of their ids, which is that of their taking; at most `limit`.
    pub fn list(
        &self,
        filter: &ItemFilter,
        after: Option<EvidenceId>,
        limit: u32,
    ) -> Result<Vec<FoundItem>, JournalError> {
        let (sql, values) = filter.page(after, limit);
        self.rows(&sql, params_from_iter(values), read)
    }

    pub fn match_count(&self, search: &Search) -> Result<MatchCount, JournalError> {
        let (sql, values) = search.counting();
        let count = self.count(&sql, params_from_iter(values))?;
        Ok(MatchCount {
            items: count.min(COUNT_MAX),
            more: count > COUNT_MAX,
        })
    }

    pub fn found(&self, id: EvidenceId) -> Result<Option<FoundItem>, JournalError> {
        self.row(
            &format!(
                "SELECT {COLUMNS} FROM listing l JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session
                 WHERE l.id = ?1"
            ),
            [id],
            read,
        )
    }
}

const COLUMNS: &str = "i.id, i.session, i.camera, l.officer, s.bay, i.path, i.size, i.modified, i.kind, i.flagged, i.state, i.quarantine, \
                       i.decision, i.sha256, s.started, i.stored_at, i.log_index, i.stored_index";

fn read(row: &Row<'_>) -> rusqlite::Result<FoundItem> {
    let time = |column| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<Time>>(column)?.map(|t| t.0))
    };
    let index = |column| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<Unsigned>>(column)?.map(|n| n.0))
    };
    Ok(FoundItem {
        id: row.get("id")?,
        session: row.get("session")?,
        camera: row.get("camera")?,
        officer: row.get("officer")?,
        bay: row.get("bay")?,
        path: row.get("path")?,
        size: row.get::<_, Unsigned>("size")?.0,
        modified: time("modified")?,
        kind: row.get("kind")?,
        flagged: row.get("flagged")?,
        state: row.get("state")?,
        quarantine: row.get("quarantine")?,
        decision: row.get("decision")?,
        sha256: row.get("sha256")?,
        docked: time("started")?,
        stored_at: time("stored_at")?,
        log_index: index("log_index")?,
        stored_index: index("stored_index")?,
    })
}
