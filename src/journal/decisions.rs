//! People's decisions about items. The log entry of each decision is durable before it is noted here.

use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{EvidenceId, Officer};

impl Journal {
    /// Notes a decision on a quarantined item; `false` when there is no such quarantine.
    pub fn decide(&self, id: EvidenceId, decision: &str) -> Result<bool, JournalError> {
        step!("journal decide");
        let changed = self.lock().execute(
            "UPDATE items SET decision = ?2 WHERE id = ?1 AND quarantine IS NOT NULL",
            (id, decision),
        )?;
        Ok(changed > 0)
    }

    /// Gives one item to another officer; `false` when there is no such item.
    pub fn reassign(&self, id: EvidenceId, officer: &Officer) -> Result<bool, JournalError> {
        step!("journal reassign");
        let changed = self
            .lock()
            .execute("UPDATE items SET officer = ?2 WHERE id = ?1", (id, officer))?;
        Ok(changed > 0)
    }
}
