//! Whether a file has stopped growing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::now;
use crate::model::{FileFacts, SourcePath};

/// Files that may still be growing: size and time of each, and since when they have been the same.
#[derive(Default)]
pub struct Growth(HashMap<SourcePath, (u64, Option<Timestamp>, Instant)>);

impl Growth {
    /// Whether a file can be believed to have its final content. A time in the future, or none, proves nothing: such a file must
    /// have been the same for the settling time.
    pub fn has_ended(&mut self, facts: &FileFacts, settle: Duration) -> bool {
        let age = facts
            .modified
            .map(|modified| now().duration_since(modified));
        if age.is_some_and(|age| {
            age >= SignedDuration::try_from(settle).unwrap_or(SignedDuration::ZERO)
        }) {
            self.0.remove(&facts.path);
            return true;
        }
        let fresh = (facts.size, facts.modified, Instant::now());
        let seen = self.0.entry(facts.path.clone()).or_insert(fresh);
        if (seen.0, seen.1) != (facts.size, facts.modified) {
            *seen = fresh;
        }
        seen.2.elapsed() >= settle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ItemKind;

    #[test]
    fn a_file_from_the_future_is_taken_once_it_stayed_the_same() {
        let mut facts = FileFacts {
            path: SourcePath::new("A.MP4").unwrap(),
            size: 1,
            modified: Some("2099-01-01T00:00:00Z".parse().unwrap()),
            flagged: false,
            kind: ItemKind::Video,
        };
        let (mut growth, settle) = (Growth::default(), Duration::from_millis(30));
        assert!(!growth.has_ended(&facts, settle));
        std::thread::sleep(settle);
        facts.size = 2;
        assert!(!growth.has_ended(&facts, settle), "it grew");
        std::thread::sleep(settle);
        assert!(growth.has_ended(&facts, settle));
        facts.modified = Some(now());
        assert!(!growth.has_ended(&facts, Duration::from_mins(1)));
        facts.modified = Some("2020-01-01T00:00:00Z".parse().unwrap());
        assert!(growth.has_ended(&facts, settle));
    }
}
