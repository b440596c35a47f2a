//! Keeps a device that comes and goes from filling the custody log with refusals.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::BayName;
use parking_lot::Mutex;

/// The same refusal in the same bay is entered once in this time; the next entry counts the ones in between.
const PERIOD: Duration = Duration::from_mins(10);
/// Different refusals in one bay; further ones are counted with the first.
const REASONS_MAX: usize = 8;

#[derive(Default)]
pub struct RefusalLimit {
    seen: Mutex<HashMap<BayName, Vec<LoggedRefusal>>>,
}

struct LoggedRefusal {
    reason: String,
    logged: Instant,
    unlogged: u64,
}

impl RefusalLimit {
    /// The text to enter in the log; `None` when the log has it already.
    pub fn to_log(&self, bay: &BayName, reason: &str) -> Option<String> {
        self.at(bay, reason, Instant::now())
    }

    fn at(&self, bay: &BayName, reason: &str, now: Instant) -> Option<String> {
        let mut seen = self.seen.lock();
        let bay = seen.entry(bay.clone()).or_default();
        bay.retain(|s| s.unlogged > 0 || now.saturating_duration_since(s.logged) < PERIOD);
        // Refusals that differ only in a detail, such as a serial, must not count as new forever.
        let full = bay.len() >= REASONS_MAX;
        let known = bay.iter_mut().find(|s| s.reason == reason || full);
        let Some(known) = known else {
            bay.push(LoggedRefusal {
                reason: reason.to_owned(),
                logged: now,
                unlogged: 0,
            });
            return Some(reason.to_owned());
        };
        if now.saturating_duration_since(known.logged) < PERIOD {
            known.unlogged += 1;
            return None;
        }
        known.logged = now;
        let unlogged = std::mem::take(&mut known.unlogged);
        Some(if unlogged == 0 {
            reason.to_owned()
        } else {
            format!("{reason} (and {unlogged} times since the last entry)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_refusal_is_logged_once_in_a_period_and_all_are_counted() {
        let refusals = RefusalLimit::default();
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
