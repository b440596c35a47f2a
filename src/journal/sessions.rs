//! Dock sessions as rows.

use jiff::Timestamp;
use rusqlite::Row;

use super::sql::Time;
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
    /// What an import was declared to be; `None` for the stay of a camera.
    pub source: Option<String>,
}

impl SessionRow {
    /// It is no stay of a camera but an import.
    pub const fn is_import(&self) -> bool {
        self.source.is_some()
    }
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    pub at: Timestamp,
    /// Every recording was secured before the camera left.
    pub complete: bool,
}

impl Journal {
    /// `clock_ahead`: seconds by which the camera's clock was ahead when it was docked, if that was measured.
    pub fn begin_session(
        &self,
        session: &SessionRow,
        clock_ahead: Option<i64>,
    ) -> Result<(), JournalError> {
        step!("journal begin_session");
        self.insert_session("INSERT", session, clock_ahead, None)
    }

    /// A session that a lost journal had; one that is there stays.
    pub fn adopt_session(
        &self,
        session: &SessionRow,
        clock_ahead: Option<i64>,
        end: Option<SessionEnd>,
    ) -> Result<(), JournalError> {
        step!("journal adopt_session");
        self.insert_session("INSERT OR IGNORE", session, clock_ahead, end)
    }

    fn insert_session(
        &self,
        insert: &str,
        session: &SessionRow,
        clock_ahead: Option<i64>,
        end: Option<SessionEnd>,
    ) -> Result<(), JournalError> {
        self.change(
            &format!(
                "{insert} INTO sessions ({COLUMNS}, complete, clock_ahead) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
            ),
            (
                session.id,
                &session.bay,
                &session.camera,
                &session.profile,
                &session.access,
                &session.officer,
                &session.quarantine,
                Time(session.started),
                end.map(|end| Time(end.at)),
                &session.source,
                end.map(|end| end.complete),
                clock_ahead,
            ),
        )
    }

    /// Ends a session and forgets its inventory: what became of each file stands in the log.
    pub fn end_session(&self, id: SessionId, end: SessionEnd) -> Result<(), JournalError> {
        step!("journal end_session");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        tx.execute(
            "UPDATE sessions SET ended = ?2, complete = ?3,
                 (seen, held, missing) = (SELECT COUNT(*), COALESCE(SUM(outcome = 'held'), 0),
                     COALESCE(SUM(outcome IN ('pending', 'failed')), 0) FROM inventory WHERE session = ?1)
             WHERE id = ?1",
            (id, Time(end.at), end.complete),
        )?;
        // An unknown camera's files can't be known again: they stay missing under its session.
        tx.execute(
            "INSERT OR REPLACE INTO missing
             SELECT COALESCE(s.camera, ''), i.path, i.session, i.size, i.modified
             FROM inventory i JOIN sessions s ON s.id = i.session
             WHERE i.session = ?1 AND i.outcome IN ('pending', 'failed')",
            [id],
        )?;
        tx.execute("DELETE FROM inventory WHERE session = ?1", [id])?;
        tx.commit()?;
        Ok(())
    }

    /// Sessions that a stopped or killed service left open.
    pub fn open_sessions(&self) -> Result<Vec<SessionRow>, JournalError> {
        self.rows(
            &format!("SELECT {COLUMNS} FROM sessions WHERE ended IS NULL ORDER BY started"),
            [],
            read,
        )
    }

    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, JournalError> {
        self.row(
            &format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1"),
            [id],
            read,
        )
    }
}

const COLUMNS: &str =
    "id, bay, camera, profile, access, officer, quarantine, started, ended, source";

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: row.get("id")?,
        bay: row.get("bay")?,
        camera: row.get("camera")?,
        profile: row.get("profile")?,
        access: row.get("access")?,
        officer: row.get("officer")?,
        quarantine: row.get("quarantine")?,
        started: row.get::<_, Time>("started")?.0,
        ended: row.get::<_, Option<Time>>("ended")?.map(|t| t.0),
        source: row.get("source")?,
    })
}
