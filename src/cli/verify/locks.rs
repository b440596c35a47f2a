//! How long the station locked what it stored, and so what it left in the bucket around that time.

use jiff::{SignedDuration, Timestamp};

use crate::model::Retention;

/// The moments that the station counts from differ by less.
const APART: SignedDuration = SignedDuration::from_hours(1);

/// The locks of the stored items, in the log's order.
#[derive(Default)]
pub struct LoggedLocks(Vec<(u64, Timestamp, Option<Retention>)>);

impl LoggedLocks {
    pub fn see(&mut self, index: u64, time: Timestamp, lock: Option<&Retention>) {
        self.0.push((index, time, lock.cloned()));
    }

    /// How a checkpoint of `size` entries, which is put after them, must be locked at least. The days may be set anew between
    /// two items: the item that follows counts, too.
    pub fn of_checkpoint(&self, size: u64) -> Option<Retention> {
        let at = self.0.partition_point(|(index, ..)| *index < size);
        let &(_, mut time, ref lock) = self.0[..at].last()?;
        let lock = lock.as_ref()?;
        let mut lasts = lock.until.duration_since(time);
        let mut mode = &lock.mode;
        if let Some((_, later, next)) = self.0.get(at) {
            let next = next.as_ref()?;
            lasts = lasts.min(next.until.duration_since(*later));
            // Unless the clock was set back.
            time = time.min(*later);
            if next.mode != "COMPLIANCE" {
                mode = &next.mode;
            }
        }
        let until = time.checked_add(lasts).ok()?.checked_sub(APART).ok()?;
        let mode = mode.clone();
        Some(Retention { mode, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(mode: &str, until: &str) -> Retention {
        let until = until.parse().unwrap();
        Retention {
            mode: mode.into(),
            until,
        }
    }

    #[test]
    fn a_checkpoint_is_locked_as_the_items_around_it() {
        let mut locks = LoggedLocks::default();
        let long = lock("COMPLIANCE", "2026-01-31T00:00:00Z");
        let short = lock("GOVERNANCE", "2026-01-12T00:00:00Z");
        locks.see(10, "2026-01-01T00:00:00Z".parse().unwrap(), Some(&long));
        assert_eq!(locks.of_checkpoint(10), None);
        let alone = Some(lock("COMPLIANCE", "2026-01-30T23:00:00Z"));
        assert_eq!(locks.of_checkpoint(11), alone);
        locks.see(20, "2026-01-02T00:00:00Z".parse().unwrap(), Some(&short));
        let between = Some(lock("GOVERNANCE", "2026-01-10T23:00:00Z"));
        assert_eq!(locks.of_checkpoint(20), between);
        locks.see(30, "2026-01-03T00:00:00Z".parse().unwrap(), None);
        assert_eq!(locks.of_checkpoint(30), None);
        assert_eq!(locks.of_checkpoint(31), None);
    }

    #[test]
    fn dates_at_the_ends_of_time_are_no_lock_and_no_panic() {
        let mut locks = LoggedLocks::default();
        let far = Retention {
            mode: "COMPLIANCE".into(),
            until: Timestamp::MAX,
        };
        locks.see(1, Timestamp::MIN, Some(&far));
        locks.see(3, Timestamp::MAX, Some(&far));
        for size in 0..5 {
            let _ = locks.of_checkpoint(size);
        }
    }
}
