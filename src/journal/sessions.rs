use jiff::Timestamp;
use rusqlite::Row;

use super::columns::{column, id_column};
use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{BayName, CameraId, Officer, SessionId};

/// One stay of one camera in one bay.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    pub id: SessionId,
    pub bay: BayName,
    pub camera: Option<CameraId>,
    pub profile: String,
    pub access: String,
    pub officer: Option<Officer>,
    pub quarantine: Option<String>,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Journal {
    pub fn begin_session(&self, session: &SessionRow) -> Result<(), JournalError> {
        step!("journal begin_session");
        self.insert_session("INSERT", session, None)
    }

    /// A session that a lost journal had; one that is there stays.
    pub fn adopt_session(
        &self,
        session: &SessionRow,
        ended: Option<(Timestamp, bool)>,
    ) -> Result<(), JournalError> {
        step!("journal adopt_session");
        self.insert_session("INSERT OR IGNORE", session, ended)
    }

    fn insert_session(
        &self,
        insert: &str,
        session: &SessionRow,
        ended: Option<(Timestamp, bool)>,
    ) -> Result<(), JournalError> {
        let columns =
            "id, bay, camera, profile, access, officer, quarantine, started, ended, complete";
        self.lock().execute(
            &format!(
                "{insert} INTO sessions ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            ),
            (
                session.id.as_bytes(),
                session.bay.as_str(),
                session.camera.as_ref().map(CameraId::as_str),
                &session.profile,
                &session.access,
                session.officer.as_ref().map(|o| &o.0),
                &session.quarantine,
                session.started.to_string(),
                ended.map(|(at, _)| at.to_string()),
                ended.map(|(_, complete)| complete),
            ),
        )?;
        Ok(())
    }

    /// Ends a session and forgets its inventory: what became of each file stands in the log.
    pub fn end_session(
        &self,
        id: SessionId,
        at: Timestamp,
        complete: bool,
    ) -> Result<(), JournalError> {
        step!("journal end_session");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.execute(
            "UPDATE sessions SET ended = ?2, complete = ?3,
                 (seen, held, missing) = (SELECT COUNT(*), COALESCE(SUM(outcome = 'held'), 0),
                     COALESCE(SUM(outcome IN ('pending', 'failed')), 0) FROM inventory WHERE session = ?1)
             WHERE id = ?1",
            (id.as_bytes(), at.to_string(), complete),
        )?;
        // An unknown camera's files can't be known again: they stay missing under its session.
        tx.execute(
            "INSERT OR REPLACE INTO missing
             SELECT COALESCE(s.camera, ''), i.path, i.session, i.size, i.modified
             FROM inventory i JOIN sessions s ON s.id = i.session
             WHERE i.session = ?1 AND i.outcome IN ('pending', 'failed')",
            [id.as_bytes()],
        )?;
        tx.execute("DELETE FROM inventory WHERE session = ?1", [id.as_bytes()])?;
        tx.commit()?;
        Ok(())
    }

    /// Sessions that a stopped or killed service left open.
    pub fn open_sessions(&self) -> Result<Vec<SessionRow>, JournalError> {
        self.sessions("WHERE ended IS NULL ORDER BY started")
    }

    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, JournalError> {
        use rusqlite::OptionalExtension as _;
        let connection = self.lock();
        let row = connection
            .query_row(
                &format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1"),
                [id.as_bytes()],
                |row| Ok(read(row)),
            )
            .optional()?;
        row.transpose()
    }

    fn sessions(&self, rest: &str) -> Result<Vec<SessionRow>, JournalError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare(&format!("SELECT {COLUMNS} FROM sessions {rest}"))?;
        let rows = statement.query_map([], |row| Ok(read(row)))?;
        rows.map(|row| row.map_err(JournalError::from).and_then(|row| row))
            .collect()
    }
}

const COLUMNS: &str = "id, bay, camera, profile, access, officer, quarantine, started, ended";

fn read(row: &Row<'_>) -> Result<SessionRow, JournalError> {
    let text = |index: usize| row.get::<_, Option<String>>(index);
    Ok(SessionRow {
        id: SessionId::from_bytes(id_column(row, 0, "session id")?),
        bay: BayName::new(&row.get::<_, String>(1)?),
        camera: camera(text(2)?)?,
        profile: row.get(3)?,
        access: row.get(4)?,
        officer: text(5)?.map(Officer),
        quarantine: text(6)?,
        started: column(&row.get::<_, String>(7)?, "start time")?,
        ended: text(8)?.map(|t| column(&t, "end time")).transpose()?,
    })
}

pub(super) fn camera(text: Option<String>) -> Result<Option<CameraId>, JournalError> {
    let Some(text) = text else { return Ok(None) };
    let parsed = text
        .split_once('/')
        .and_then(|(make, serial)| CameraId::new(make, serial));
    parsed.map(Some).ok_or(JournalError::Corrupt {
        what: "a camera id",
        value: text,
    })
}
