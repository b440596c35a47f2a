//! A settled session: what the uploads change in what its bay shows, until the camera leaves or shows something new.

use std::time::{Duration, Instant};

use super::{RESCAN, Run};

impl Run {
    /// Settled: wait for the camera to leave, for a hint, or for the next slow look.
    pub(super) fn idle(&mut self) {
        let until = Instant::now() + RESCAN;
        while !self.stopped() && Instant::now() < until {
            if self.control.wait(Duration::from_secs(1)) || self.look_again() {
                return;
            }
        }
    }

    /// What the uploads changed; `true`: there is something to take.
    pub(super) fn look_again(&mut self) -> bool {
        if !self
            .looked
            .due(self.shared.journal.changes(), self.unstored.is_none())
        {
            return self.unstored == Some(0) && self.wipe_is_due();
        }
        // What was damaged on this station before it was stored is taken again, and nothing is safe until then.
        if let Ok(counts) = self.shared.journal.inventory_counts(self.session.id)
            && counts.pending.0 > 0
        {
            self.control.set_settled(false);
            self.lock().pulling(counts);
            self.show(None);
            return true;
        }
        self.unstored = self.shared.journal.unstored_of(self.session.id).ok();
        if let Some(unstored) = self.unstored {
            self.lock().unstored(unstored);
            self.show(None);
            return unstored == 0 && self.wipe_is_due();
        }
        false
    }
}
