//! When a loop looks into the journal for work: an idle station must not ask it the same again and again.

use std::time::{Duration, Instant};

/// Without any change, what is due only because time has passed is found within this.
const ANYWAY: Duration = Duration::from_secs(30);

/// What a loop saw at its last look.
#[derive(Default)]
pub struct Looked(Option<(u64, Instant)>);

impl Looked {
    /// Whether to look now. `changes` as the journal counts them; `active`: work is in hand or waits for its next try.
    pub fn due(&mut self, changes: u64, active: bool) -> bool {
        let known = self
            .0
            .is_some_and(|(seen, at)| seen == changes && at.elapsed() < ANYWAY);
        if known && !active {
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
    fn nothing_is_asked_twice_unless_something_changed_or_is_in_hand() {
        let mut looked = Looked::default();
        assert!(looked.due(7, false));
        assert!((0..1000).all(|_| !looked.due(7, false)));
        assert!(looked.due(7, true));
        assert!(looked.due(8, false));
        assert!(!looked.due(8, false));
    }
}
