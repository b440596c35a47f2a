//! Keeps a device that comes and goes from filling the custody log with refusals.

use std::collections::HashMap;

use std::time::{Duration, Instant};

use crate::model::BayName;
use parking_lot::Mutex;

/// The same refusal in the same bay is entered once in this time; the next entry counts those between.
const ONCE_IN: Duration = Duration::from_mins(10);
/// And different refusals in one bay at most so many.
const REASONS_MAX: usize = 8;

#[derive(Default)]
pub struct Refusals {
    seen: Mutex<HashMap<BayName, Vec<Seen>>>,
}

struct Seen {
    reason: String,
    logged: Instant,
    untold: u64,
}

impl Refusals {
    /// What to enter in the log, or `None` when it stands there already.
    pub fn to_log(&self, bay: &BayName, reason: &str) -> Option<String> {
        self.at(bay, reason, Instant::now())
    }

    fn at(&self, bay: &BayName, reason: &str, now: Instant) -> Option<String> {
        let mut seen = self.seen.lock();
        let bay = seen.entry(bay.clone()).or_default();
        bay.retain(|s| s.untold > 0 || now.saturating_duration_since(s.logged) < ONCE_IN);
        // What differs only in detail, as a serial, must not count as new for ever.
        let full = bay.len() >= REASONS_MAX;
        let known = bay.iter_mut().find(|s| s.reason == reason || full);
        let Some(known) = known else {
            bay.push(Seen {
                reason: reason.to_owned(),
                logged: now,
                untold: 0,
            });
            return Some(reason.to_owned());
        };
        if now.saturating_duration_since(known.logged) < ONCE_IN {
            known.untold += 1;
            return None;
        }
        known.logged = now;
        let untold = std::mem::take(&mut known.untold);
        Some(if untold == 0 {
            reason.to_owned()
        } else {
            format!("{reason} (and {untold} times since the last entry)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_takes_a_refusal_once_in_a_while_and_none_is_lost_count_of() {
        let refusals = Refusals::default();
        let (bay, start) = (BayName::new("bay-1"), Instant::now());
        let minute = |n: u64| start + Duration::from_mins(n);
        assert_eq!(refusals.at(&bay, "x", start).as_deref(), Some("x"));
        for _ in 0..100 {
            assert_eq!(refusals.at(&bay, "x", minute(1)), None);
        }
        assert_eq!(refusals.at(&bay, "y", minute(1)).as_deref(), Some("y"));
        let other = BayName::new("bay-2");
        assert_eq!(refusals.at(&other, "x", minute(1)).as_deref(), Some("x"));
        let later = refusals.at(&bay, "x", minute(11)).unwrap();
        assert_eq!(later, "x (and 100 times since the last entry)");
        assert_eq!(refusals.at(&bay, "x", minute(30)).as_deref(), Some("x"));
        let logged = (0..1000)
            .filter(|n| {
                refusals
                    .at(&other, &format!("serial {n}"), minute(2))
                    .is_some()
            })
            .count();
        assert_eq!(logged, REASONS_MAX - 1);
    }
}
