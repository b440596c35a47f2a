//! The first lock of an item, settled once, before the first of its objects is put. A wrong clock of a camera lengthens nothing.

use jiff::{SignedDuration, Timestamp};

use super::held::is_plausible;
use super::outbound::Outbound;
use super::{IngestError, Shared, now};
use crate::journal::{ItemRow, StoreProgress};
use crate::model::{Entry, Event, Retention};

/// A stored item's lock that ends sooner than this is not asked for any more: the store would find it over.
const NEARLY_OVER: SignedDuration = SignedDuration::from_hours(1);

impl Outbound {
    /// The lock of each object of the item; `None`: nothing is locked. Blocks.
    pub(super) fn lock_of(&self, item: &ItemRow) -> Result<Option<Retention>, IngestError> {
        let Some(rule) = self.first_lock else {
            return Ok(None);
        };
        let (shared, now) = (&*self.shared, now());
        let unstored = item.storing == StoreProgress::Unconfirmed;
        let known = match shared.journal.first_lock(item.id)? {
            None if !unstored => logged(shared, item)?,
            known => known,
        };
        if let Some(lock) = known {
            let fits = if unstored {
                rule.still_fits(&lock, now)
            } else {
                lock.until.duration_since(now) > NEARLY_OVER
            };
            if fits {
                return Ok(Some(lock));
            }
            if !unstored {
                return Ok(Some(rule.least(now)));
            }
        }
        let lock = rule.of_item(recorded(shared, item, now)?, item.facts.flagged, now);
        shared.journal.settle_first_lock(item.id, &lock)?;
        Ok(Some(lock))
    }
}

/// The time of the recording, corrected where the difference of the camera's clock was measured; `None` where it is not plausible.
fn recorded(
    shared: &Shared,
    item: &ItemRow,
    now: Timestamp,
) -> Result<Option<Timestamp>, IngestError> {
    let ahead = shared.journal.clock_ahead(item.session)?.unwrap_or(0);
    let corrected = item
        .facts
        .modified
        .and_then(|modified| modified.checked_sub(SignedDuration::from_secs(ahead)).ok());
    Ok(corrected.filter(|_| is_plausible(corrected, shared.earliest_year, now)))
}

/// The lock that a lost journal had settled, as the log's `item.stored` has it.
fn logged(shared: &Shared, item: &ItemRow) -> Result<Option<Retention>, IngestError> {
    let entry = match (&item.storing, item.storing.index()) {
        (StoreProgress::Confirmed(facts), _) => facts.entry.clone(),
        (_, Some(index)) => shared.log.entry(index)?,
        _ => return Ok(None),
    };
    Ok(match serde_json::from_slice::<Entry>(&entry) {
        Ok(Entry {
            event: Event::ItemStored(stored),
            ..
        }) => stored.retention,
        _ => None,
    })
}
