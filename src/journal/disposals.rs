//! Items that were deleted by rule, as the station learned from the log of the office that it believes. A journal that is rebuilt learns it anew.

use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, NotedDisposal, SessionId};

/// The files of one session whose items were deleted by rule.
pub(super) const DISPOSED: &str =
    "SELECT COUNT(*) FROM inventory v CROSS JOIN disposals d ON d.item = v.item
    WHERE v.session = ?1 AND v.outcome = 'held'";

impl Journal {
    pub fn mark_disposed(
        &self,
        item: EvidenceId,
        disposal: &NotedDisposal,
    ) -> Result<(), JournalError> {
        step!("journal mark_disposed");
        let sql = "INSERT OR REPLACE INTO disposals (item, told) VALUES (?1, ?2)";
        self.change(sql, (item, disposal))
    }

    pub fn disposal(&self, item: EvidenceId) -> Result<Option<NotedDisposal>, JournalError> {
        let sql = "SELECT told FROM disposals WHERE item = ?1";
        self.row(sql, [item], |row| row.get("told"))
    }

    pub fn disposed_of(&self, session: SessionId) -> Result<u64, JournalError> {
        self.count(DISPOSED, [session])
    }
}
