//! Figures of the whole journal for the metrics and the pages.

use jiff::{SignedDuration, Timestamp};

use super::sql::Time;
use super::{Journal, JournalError};
use crate::model::{EvidenceId, ItemState, SessionId};

/// Sessions of a camera in a row that must have ended badly for it to count as failing.
const IN_A_ROW: u32 = 3;
/// Sessions that are older than this say nothing about today.
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
        let mut oldest: Option<EvidenceId> = None;
        for state in [ItemState::Sealed, ItemState::Logged, ItemState::Uploading] {
            let found = self.row(OLDEST, [state], |row| row.get(0))?.flatten();
            oldest = oldest.into_iter().chain(found).min();
        }
        let since = now.checked_sub(LOOK_BACK).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Overview {
            oldest_unstored: oldest,
            undecided: self.count(UNDECIDED, [])?,
            cameras_failing: self.count(FAILING, (Time(since), IN_A_ROW))?,
            missing: self.count(MISSING, [])?,
        })
    }

    /// When the session began, if every file that was seen in it is now in the store; else `None`.
    pub fn all_stored_since(&self, session: SessionId) -> Result<Option<Timestamp>, JournalError> {
        self.row(
            "SELECT started FROM sessions WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM inventory WHERE session = ?1 AND outcome = 'pending')
             AND NOT EXISTS (SELECT 1 FROM listing WHERE session = ?1
                             AND state IN ('pulling', 'sealed', 'logged', 'uploading'))",
            [session],
            |row| Ok(row.get::<_, Time>(0)?.0),
        )
    }
}
