//! Entries that are dated before an earlier one. The clock of a station may be set back, so this alone proves nothing, and
//! people should know of it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Entries are dated before they wait for the disk, so neighbours may change places within this time.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// Steps beyond this number are not listed.
const STEPS_MAX: usize = 100;

/// A run of entries that are dated before an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClockStep {
    pub first: u64,
    pub last: u64,
    /// The earlier entry with the latest time.
    pub after: u64,
    /// How far the first of them is dated before it.
    pub seconds: i64,
}

impl fmt::Display for ClockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            last,
            after,
            seconds,
        } = self;
        if first == last {
            write!(f, "Entry {first} is dated {seconds} s before entry {after}")
        } else {
            write!(
                f,
                "Entries {first} to {last} are dated before entry {after}, the first by {seconds} s"
            )
        }
    }
}

/// Looks at each entry's time in the log's order.
#[derive(Debug, Default)]
pub struct ClockSteps {
    latest: Option<(u64, Timestamp)>,
    steps: Vec<ClockStep>,
}

impl ClockSteps {
    pub fn see(&mut self, index: u64, time: Timestamp) {
        let Some((after, latest)) = self.latest.filter(|(_, latest)| time < *latest) else {
            self.latest = Some((index, time));
            return;
        };
        let back = latest.duration_since(time);
        if back <= TOLERANCE {
            return;
        }
        if let Some(step) = self.steps.last_mut().filter(|step| step.after == after) {
            step.last = index;
        } else if self.steps.len() < STEPS_MAX {
            self.steps.push(ClockStep {
                first: index,
                last: index,
                after,
                seconds: back.as_secs(),
            });
        }
    }

    pub fn steps(&self) -> &[ClockStep] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_of_entries_dated_before_an_earlier_one_is_named_once() {
        let mut clock = ClockSteps::default();
        for (index, second) in [
            (0, 10),
            (1, 100),
            (2, 98),
            (3, 40),
            (4, 50),
            (5, 101),
            (6, 20),
        ] {
            clock.see(index, Timestamp::from_second(second).unwrap());
        }
        let said: Vec<String> = clock.steps().iter().map(ToString::to_string).collect();
        let expected = [
            "Entries 3 to 4 are dated before entry 1, the first by 60 s",
            "Entry 6 is dated 81 s before entry 5",
        ];
        assert_eq!(said, expected);
    }
}
