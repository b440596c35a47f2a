//! A settled session: what the uploads change in what its bay shows, until the camera leaves or has something new.

use super::bay_display::BayDisplay;
use super::dock_session::DockSession;
use crate::ingest::poll::JournalPoll;

/// A settled session's last look into the journal, and how much was not stored then.
#[derive(Default)]
pub(super) struct StoreWatch {
    poll: JournalPoll,
    unstored: Option<u64>,
}

/// The state of the uploads at a look into the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreWait {
    /// Something is to be taken again.
    Pending,
    /// Some files are on their way, the witnesses have not cosigned, or the journal could not be asked.
    Unfinished,
    AllStored,
}

impl StoreWatch {
    /// Shows what the uploads changed.
    pub fn look(&mut self, session: &DockSession, display: &BayDisplay) -> StoreWait {
        let journal = &session.shared.journal;
        if display.state().witnessed(session.shared.witnessed_size()) {
            display.show(None);
        }
        if self.poll.is_due(journal.changes(), self.unstored.is_none()) {
            // An item that was damaged on this station before it was stored is taken again, and nothing is safe until then.
            if let Ok(counts) = session.counts()
                && counts.pending.files > 0
            {
                session.control.set_settled(false);
                display.show_pulling(counts);
                return StoreWait::Pending;
            }
            self.unstored = journal.unstored_of(session.row.id).ok();
            if let Some(unstored) = self.unstored {
                display.state().unstored(unstored);
                display.show(None);
            }
        }
        if self.unstored == Some(0) && !display.state().waits_for_witness() {
            StoreWait::AllStored
        } else {
            StoreWait::Unfinished
        }
    }
}
