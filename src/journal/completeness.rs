//! Compares everything that each camera showed with what was taken, and names what is still missing.

use serde::Serialize;

use super::sql::Unsigned;
use super::{Journal, JournalError};
use crate::model::{SessionId, SourcePath};

/// The outcome for everything that one camera showed on one day (of docking, UTC).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

/// The officers are those of the session's items, one a line; the session's own while it has no items.
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

impl Journal {
    /// Per camera and day of docking, newest first; days inclusive, at most `limit` rows.
    pub fn completeness(
        &self,
        from_day: &str,
        to_day: &str,
        limit: u32,
    ) -> Result<Vec<CameraDay>, JournalError> {
        self.rows(COMPLETENESS, (from_day, to_day, limit), |row| {
            let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, Unsigned>(index)?.0);
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
        })
    }

    /// Files that left unread with their camera in this session and were not taken since.
    pub fn still_missing(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<SourcePath>, JournalError> {
        self.rows(
            "SELECT path FROM missing WHERE session = ?1 ORDER BY path LIMIT ?2",
            (session, limit),
            |row| row.get("path"),
        )
    }
}

/// Lines, each once and in order, joined by commas.
fn each_once(lines: &str) -> String {
    let mut lines: Vec<_> = lines.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join(",")
}
