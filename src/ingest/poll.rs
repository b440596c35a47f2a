//! Decides when a loop asks the journal for work: an idle station must not ask the same question repeatedly.

use std::time::{Duration, Instant};

/// Without any change, what is due only because time has passed is found within this.
const LONGEST: Duration = Duration::from_secs(30);

/// The time at which a loop last asked, and the number of changes that the journal had counted by then.
#[derive(Default)]
pub struct JournalPoll(Option<(u64, Instant)>);

impl JournalPoll {
    /// Whether to ask now. `changes` as the journal counts them; `active`: work is running or waits for its next try.
    pub fn is_due(&mut self, changes: u64, active: bool) -> bool {
        let unchanged = self
            .0
            .is_some_and(|(seen, at)| seen == changes && at.elapsed() < LONGEST);
        if unchanged && !active {
            return false;
        }
        self.0 = Some((changes, Instant::now()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_asked_again_only_after_a_change_or_while_work_is_active() {
        let mut poll = JournalPoll::default();
        assert!(poll.is_due(7, false));
        assert!((0..1000).all(|_| !poll.is_due(7, false)));
        assert!(poll.is_due(7, true));
        assert!(poll.is_due(8, false));
        assert!(!poll.is_due(8, false));
    }
}
