use jiff::{SignedDuration, Timestamp};
use rusqlite::OptionalExtension as _;

use super::columns::column;
use super::{Journal, JournalError};
use crate::model::{EvidenceId, SessionId};

/// Sessions of a camera in a row that must have ended badly for it to count as failing.
const IN_A_ROW: u32 = 3;
/// Older sessions say nothing about today.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) const OLDEST: &str = "SELECT MIN(id) FROM items WHERE state = ?1";
pub(super) const UNDECIDED: &str = "SELECT COUNT(*) FROM listing WHERE attention = 1";
pub(super) const MISSING: &str = "SELECT COUNT(*) FROM missing";
pub(super) const FAILING: &str = "SELECT COUNT(*) FROM (
    SELECT camera FROM (
        SELECT camera, complete, ROW_NUMBER() OVER (PARTITION BY camera ORDER BY started DESC) AS n
        FROM sessions WHERE started > ?1 AND ended IS NOT NULL AND camera IS NOT NULL)
    WHERE n <= ?2 GROUP BY camera HAVING COUNT(*) = ?2 AND SUM(complete) = 0)";

/// Figures for the metrics that no counter has. Cheap whatever the journal's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overview {
    /// The oldest item that is sealed here and not yet stored.
    pub oldest_unstored: Option<EvidenceId>,
    /// Items in quarantine that nobody has decided on.
    pub undecided: u64,
    /// Cameras whose last three sessions all ended before everything was secured.
    pub cameras_failing: u64,
    /// Files that left unread with their camera and were not taken since.
    pub missing: u64,
}

impl Journal {
    pub fn overview(&self, now: Timestamp) -> Result<Overview, JournalError> {
        let connection = self.lock();
        let number = |sql: &str| -> Result<u64, JournalError> {
            let n: i64 = connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get(0))?;
            Ok(n.cast_unsigned())
        };
        let mut oldest: Option<[u8; 16]> = None;
        for state in ["sealed", "logged", "uploading"] {
            let found: Option<[u8; 16]> = connection
                .prepare_cached(OLDEST)?
                .query_row([state], |row| row.get(0))?;
            oldest = match (oldest, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        let since = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::UNIX_EPOCH);
        let failing: i64 = connection
            .prepare_cached(FAILING)?
            .query_row((since.to_string(), IN_A_ROW), |row| row.get(0))?;
        Ok(Overview {
            oldest_unstored: oldest.map(EvidenceId::from_bytes),
            undecided: number(UNDECIDED)?,
            cameras_failing: failing.cast_unsigned(),
            missing: number(MISSING)?,
        })
    }

    /// When the session began, if every file of it that was seen is now in the store; else `None`.
    pub fn all_stored_since(&self, session: SessionId) -> Result<Option<Timestamp>, JournalError> {
        let started: Option<String> = self
            .lock()
            .prepare_cached(
                "SELECT started FROM sessions WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM inventory WHERE session = ?1 AND outcome = 'pending')
                 AND NOT EXISTS (SELECT 1 FROM listing WHERE session = ?1
                                 AND state IN ('pulling', 'sealed', 'logged', 'uploading'))",
            )?
            .query_row([session.as_bytes()], |row| row.get(0))
            .optional()?;
        started.map(|text| column(&text, "start time")).transpose()
    }
}
