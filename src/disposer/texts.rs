//! Reasons and notes of items that were deleted: each is an object of its own, and goes once its lock is over. The log keeps their salted
//! digests, from which nobody can guess a text. Signed notes of who opened an item without an office go, too. The office's word alone lets none of them go, and none goes that an item names which stays.

use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::item_acts::{ItemName, SaidGone};
use super::{Disposer, DisposerError};
use crate::failpoint::reached;
use crate::model::{DisposalRecord, Sha256Digest};
use crate::upload::Store as _;

/// A locked one is looked at again after this.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
const RECORD_MAX: u64 = 1 << 20;

impl Disposer {
    pub(super) fn remove_texts(&mut self) -> Result<(), DisposerError> {
        let now = Timestamp::now();
        let own = self.layout(&self.config.office);
        let gone = self.gone()?;
        let notes = self.remove_notes(&gone, now);
        let said = self.log.acts.disposed();
        let said = said.filter(|(name, ..)| gone.contains(name));
        let texts: BTreeSet<Sha256Digest> = said
            .flat_map(|(_, _, texts)| texts)
            .filter(|digest| {
                let known = self.texts.get(digest);
                !known.is_some_and(|again| again.is_none_or(|again| again > now))
            })
            .copied()
            .collect();
        if texts.is_empty() {
            return notes;
        }
        let stay = self.log.acts.named_elsewhere(&texts, &gone);
        for digest in texts.into_iter().filter(|digest| !stay.contains(digest)) {
            let gone = self.delete_all(&own.log(&format!("text/{digest}")))?;
            reached!("disposal text gone");
            let again = now.checked_add(AGAIN.min(self.again())).unwrap_or(now);
            self.texts.insert(digest, (!gone).then_some(again));
        }
        notes
    }

    /// One item's trouble keeps no other's notes.
    fn remove_notes(
        &mut self,
        gone: &HashSet<ItemName>,
        now: Timestamp,
    ) -> Result<(), DisposerError> {
        let mut last = Ok(());
        for name in gone {
            let known = self.notes.get(name);
            if known.is_some_and(|again| again.is_none_or(|again| again > now)) {
                continue;
            }
            match self.delete_all(&self.layout(&name.0).view(name.1, "")) {
                Ok(all) => {
                    let again = now.checked_add(AGAIN.min(self.again())).unwrap_or(now);
                    self.notes.insert(name.clone(), (!all).then_some(again));
                }
                Err(error) => last = Err(error),
            }
        }
        last
    }

    /// The items of which the office's log says that they were deleted, as far as a witness has cosigned it, and of which the disposer's
    /// record and the store say so, too. Each is asked for once.
    fn gone(&mut self) -> Result<HashSet<ItemName>, DisposerError> {
        let said = self.log.acts.disposed();
        let said: Vec<_> = said.map(|(name, said, _)| (name.clone(), said)).collect();
        let cosigned = self.log.cosigned;
        let mut gone = HashSet::new();
        for (name, said) in said {
            if cosigned.is_some_and(|size| said.entry >= size) {
                continue;
            }
            let is_gone = match self.gone.get(&said.approval) {
                Some(is_gone) => *is_gone,
                None => self.is_gone(&name, said)?,
            };
            self.gone.insert(said.approval, is_gone);
            if is_gone {
                gone.insert(name);
            }
        }
        Ok(gone)
    }

    fn is_gone(&self, name: &ItemName, said: SaidGone) -> Result<bool, DisposerError> {
        let own = self.layout(&self.config.office);
        let done = own.disposal(said.approval, name.1, "done.json");
        let Some(bytes) = self.runtime.block_on(self.store.get(&done, RECORD_MAX))? else {
            return Ok(false);
        };
        let record = serde_json::from_slice::<DisposalRecord>(&bytes).ok();
        let of_it = record.is_some_and(|record| {
            (&record.log, record.evidence) == (&name.0, name.1) && record.approval == said.approval
        });
        Ok(of_it && self.versions(name)?.is_empty())
    }

    /// As long as an approval waits, at most.
    fn again(&self) -> SignedDuration {
        SignedDuration::try_from(self.wait).unwrap_or(AGAIN)
    }
}
