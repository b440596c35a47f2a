//! Reasons and notes of items that the office says were deleted: each is an object of its own, and goes once its lock is over. The log
//! keeps their salted digests, from which nobody can guess a text.

use jiff::{SignedDuration, Timestamp};

use super::{Disposer, DisposerError};
use crate::failpoint::reached;
use crate::model::Sha256Digest;

/// A locked one is looked at again after this.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

impl Disposer {
    pub(super) fn remove_texts(&mut self) -> Result<(), DisposerError> {
        let now = Timestamp::now();
        let said = self.log.acts.disposed();
        let texts: Vec<Sha256Digest> = said.flat_map(|(_, acts)| &acts.texts).copied().collect();
        let own = self.layout(&self.config.office);
        for digest in texts {
            let known = self.texts.get(&digest).copied();
            let waits = known.is_some_and(|again| again.is_none_or(|again| again > now));
            if waits {
                continue;
            }
            // An act names no text of another: each has a salt of its own.
            let gone = self.delete_all(&own.log(&format!("text/{digest}")))?;
            reached!("disposal text gone");
            let again = now.checked_add(AGAIN.min(self.again())).unwrap_or(now);
            self.texts.insert(digest, (!gone).then_some(again));
        }
        Ok(())
    }

    /// As long as an approval waits, at most.
    fn again(&self) -> SignedDuration {
        SignedDuration::try_from(self.wait).unwrap_or(AGAIN)
    }
}
