//! Entries that are dated before an earlier one. The clock of a station may be set back, so this alone proves nothing, but
//! people should know about it.

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
    /// The earlier entry with the latest time since the last step before this one.
    pub after: u64,
    /// The time by which the first of them is dated before it.
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
///
/// Entries may be dated before one and after another that is itself dated too late: each fall begins a step of its own, so
/// that one entry from the future does not hide what is dated back after it.
#[derive(Debug, Default)]
pub struct ClockSteps {
    /// The entry with the latest time since the last fall.
    latest: Option<(u64, Timestamp)>,
    steps: Vec<ClockStep>,
    /// The steps that go on, by their place in `steps`, and the times that end them.
    open: Vec<(usize, Timestamp)>,
}

impl ClockSteps {
    pub fn see(&mut self, index: u64, time: Timestamp) {
        self.open.retain(|(_, until)| time < *until);
        for (step, until) in &self.open {
            if until.duration_since(time) > TOLERANCE {
                self.steps[*step].last = index;
            }
        }
        let Some((after, latest)) = self.latest.filter(|(_, latest)| time < *latest) else {
            self.latest = Some((index, time));
            return;
        };
        let back = latest.duration_since(time);
        if back <= TOLERANCE {
            return;
        }
        self.latest = Some((index, time));
        if self.steps.len() < STEPS_MAX {
            self.open.push((self.steps.len(), latest));
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

    fn said(seconds: &[i64]) -> Vec<String> {
        let mut clock = ClockSteps::default();
        for (index, second) in (0..).zip(seconds) {
            clock.see(index, Timestamp::from_second(*second).unwrap());
        }
        clock.steps().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_run_of_entries_dated_before_an_earlier_one_is_named_once() {
        let expected = [
            "Entries 3 to 4 are dated before entry 1, the first by 60 s",
            "Entry 6 is dated 81 s before entry 5",
        ];
        assert_eq!(said(&[10, 100, 98, 40, 50, 101, 20]), expected);
    }

    #[test]
    fn an_entry_from_the_future_hides_no_later_step() {
        let expected = [
            "Entries 2 to 4 are dated before entry 1, the first by 9979 s",
            "Entry 4 is dated 25 s before entry 3",
        ];
        assert_eq!(said(&[10, 9999, 20, 30, 5]), expected);
        // A run within a run ends with it, or before it.
        let expected = [
            "Entries 2 to 6 are dated before entry 1, the first by 9979 s",
            "Entries 4 to 5 are dated before entry 3, the first by 25 s",
            "Entry 8 is dated 9979 s before entry 7",
        ];
        assert_eq!(said(&[10, 9999, 20, 30, 5, 6, 40, 9999, 20]), expected);
    }

    #[test]
    fn a_clock_that_creeps_back_is_noticed_and_one_that_always_falls_costs_little() {
        assert_eq!(
            said(&[100, 96, 92]),
            ["Entry 2 is dated 8 s before entry 0"]
        );
        let falling: Vec<i64> = (0..100_000).map(|n| -6 * n).collect();
        assert_eq!(said(&falling).len(), STEPS_MAX);
    }
}
