//! Listing the evidence of this station, page by page, for the command line.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde::{Serialize, Serializer};

use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::model::{
    BayName, CameraId, EvidenceId, ItemKind, ItemState, NotedDisposal, Officer, SessionId,
    Sha256Digest, SourcePath,
};

/// One item as `camdock items` prints it.
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
    /// It was deleted by rule, as the office's log says: in words.
    pub disposed: Option<String>,
    /// What its import was declared to be; `None` where a camera brought it.
    pub source: Option<String>,
}

fn shown<S: Serializer>(path: &SourcePath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

impl FoundItem {
    pub const fn needs_decision(&self) -> bool {
        self.quarantine.is_some() && self.decision.is_none()
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
    /// Days of recording as the camera gives them (of docking where it gives none), `2026-01-31`, both inclusive.
    pub from_day: Option<String>,
    pub to_day: Option<String>,
    /// Only what waits for a decision.
    pub undecided: bool,
}

/// The cameras whose names are like `?`: one step of the index for each camera, however many items there are.
const CAMERAS: &str = "
    WITH RECURSIVE cameras (camera) AS (SELECT MIN(camera) FROM listing UNION ALL
        SELECT (SELECT MIN(camera) FROM listing n WHERE n.camera > cameras.camera) FROM cameras
        WHERE cameras.camera IS NOT NULL)
    SELECT camera FROM cameras WHERE camera LIKE ? ESCAPE '\\'";

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
        if self.undecided {
            rest.push_str(" AND l.attention = 1");
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM listing l JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session
             LEFT JOIN disposals d ON d.item = l.id WHERE {rest} ORDER BY l.id LIMIT ?2"
        );
        (sql, values)
    }
}

impl Journal {
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

    pub fn found(&self, id: EvidenceId) -> Result<Option<FoundItem>, JournalError> {
        self.row(
            &format!(
                "SELECT {COLUMNS} FROM listing l JOIN items i ON i.id = l.id LEFT JOIN sessions s ON s.id = i.session
                 LEFT JOIN disposals d ON d.item = l.id WHERE l.id = ?1"
            ),
            [id],
            read,
        )
    }
}

const COLUMNS: &str = "i.id, i.session, i.camera, l.officer, s.bay, i.path, i.size, i.modified, i.kind, i.flagged, i.state, i.quarantine, \
                       i.decision, i.sha256, s.started, i.stored_at, i.log_index, i.stored_index, d.told, s.source";

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
        disposed: row
            .get::<_, Option<NotedDisposal>>("told")?
            .map(|told| told.to_string()),
        source: row.get("source")?,
    })
}
