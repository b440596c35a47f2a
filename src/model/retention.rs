//! The lock of one version of an object, as a store is asked for it and as it tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// S3 Object Lock of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub mode: String,
    pub until: Timestamp,
}

impl Retention {
    /// True when a version with the lock `seen` is locked at least as firmly and as long.
    pub fn is_held_by(&self, seen: Option<&Self>) -> bool {
        seen.is_some_and(|seen| {
            (seen.mode == self.mode || seen.mode == "COMPLIANCE")
                && seen.until.as_second() >= self.until.as_second()
        })
    }

    /// The same lock, ending sooner.
    pub fn sooner(&self, by: jiff::SignedDuration) -> Self {
        Self {
            mode: self.mode.clone(),
            until: self.until.checked_sub(by).unwrap_or(self.until),
        }
    }
}

impl std::fmt::Display for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} until {}", self.mode, self.until)
    }
}
