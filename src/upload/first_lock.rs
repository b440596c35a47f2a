//! The lock that a station asks for when it stores an item. It is short, since nobody can shorten it; an office renews it.

use jiff::{SignedDuration, Timestamp};

use super::{LockMode, RetentionPolicy};
use crate::config::{FirstLockSettings, StoreSettings};
use crate::model::Retention;

/// How far an earlier attempt's lock may be behind what would be asked for now.
const BEHIND: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstLock {
    mode: LockMode,
    settings: FirstLockSettings,
}

impl FirstLock {
    /// From validated settings; `None` when they ask for no lock.
    pub fn of(store: &StoreSettings, settings: Option<FirstLockSettings>) -> Option<Self> {
        Some(Self {
            mode: RetentionPolicy::of(store)?.mode,
            settings: settings?,
        })
    }

    /// `recorded`: the plausible, corrected time of the recording. One after `now` lengthens nothing.
    pub fn of_item(self, recorded: Option<Timestamp>, flagged: bool, now: Timestamp) -> Retention {
        let FirstLockSettings {
            days, flagged_days, ..
        } = self.settings;
        let days = if flagged { flagged_days } else { days };
        let from = recorded.map_or(now, |recorded| recorded.min(now));
        let least = self.least(now);
        let lock = self.for_days(days).from(from);
        if lock.until < least.until {
            least
        } else {
            lock
        }
    }

    /// The shortest lock of what is stored at `now`.
    pub fn least(self, now: Timestamp) -> Retention {
        self.for_days(self.settings.at_least_days).from(now)
    }

    /// Whether a lock that was settled earlier is still one to ask for at `now`.
    pub fn still_fits(self, lock: &Retention, now: Timestamp) -> bool {
        self.least(now).sooner(BEHIND).is_held_by(Some(lock))
    }

    const fn for_days(self, days: u32) -> RetentionPolicy {
        RetentionPolicy {
            mode: self.mode,
            days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: FirstLock = FirstLock {
        mode: LockMode::Compliance,
        settings: FirstLockSettings {
            days: 31,
            flagged_days: 90,
            at_least_days: 7,
        },
    };

    #[test]
    fn a_lock_counts_from_the_earlier_of_recording_and_upload_and_never_less_than_the_floor() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-05-31T12:00:00Z");
        for (recorded, flagged, until) in [
            (Some("2026-05-30T12:00:00Z"), false, "2026-06-30T12:00:00Z"),
            (Some("2026-05-30T12:00:00Z"), true, "2026-08-28T12:00:00Z"),
            // A fast clock.
            (Some("2026-05-31T12:00:01Z"), false, "2026-07-01T12:00:00Z"),
            (Some("2199-01-01T00:00:00Z"), false, "2026-07-01T12:00:00Z"),
            (None, false, "2026-07-01T12:00:00Z"),
            // The floor, to the second.
            (Some("2026-05-07T12:00:00Z"), false, "2026-06-07T12:00:00Z"),
            (Some("2026-05-07T11:59:59Z"), false, "2026-06-07T12:00:00Z"),
            (Some("2016-01-01T00:00:00Z"), true, "2026-06-07T12:00:00Z"),
        ] {
            let lock = RULE.of_item(recorded.map(time), flagged, now);
            assert_eq!(lock.until, time(until), "{recorded:?} {flagged}");
            assert_eq!(lock.mode, "COMPLIANCE");
        }
        let settled = RULE.least(now);
        let later = |hours| now + SignedDuration::from_hours(hours);
        assert!(RULE.still_fits(&settled, later(24)));
        assert!(!RULE.still_fits(&settled, later(25)));
    }
}
