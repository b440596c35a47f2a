//! Holds: what a person holds stays, whatever its class says. The store's legal hold is set first, on every version of the item's
//! objects; then the act is entered, and says what the store said. What the store does not follow is tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::{Decisions, Made};
use crate::model::{Event, HeldObject, HoldLifted, HoldPlaced};
use crate::office::index::HeldItem;
use crate::office::{OfficeError, warn};
use crate::web::ItemOrder;

/// Between two looks at holds that the store does not follow yet.
const PAUSE: Duration = Duration::from_mins(1);
/// Held items are looked at again after this, since objects may have come late.
const AGAIN: SignedDuration = SignedDuration::from_hours(6);
/// Items that are looked at in one go.
const STEP: u32 = 100;

/// What a hold did not reach, in words.
pub(super) fn lack(event: &Event) -> Option<String> {
    match event {
        Event::HoldPlaced(act) if !act.not_held.is_empty() => Some(format!(
            "the store does not say that these are under legal hold: {}; the office goes on trying",
            act.not_held.join(", ")
        )),
        _ => None,
    }
}

impl Decisions {
    pub(super) async fn hold(&self, order: &ItemOrder) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        tokio::task::block_in_place(|| self.item(order))?;
        let (mut objects, mut not_held) = (Vec::new(), Vec::new());
        for version in self.keeper.versions(station, id).await? {
            let set = self.keeper.set_hold(&version, true).await;
            let object = HeldObject::from(version);
            match set {
                Ok(()) => objects.push(object),
                Err(error) => {
                    warn(
                        &error,
                        "an object does not get its legal hold; it is tried again",
                    );
                    not_held.push(object.name);
                }
            }
        }
        let by = tokio::task::block_in_place(|| self.decider(order))?;
        Ok(Made::Act(Box::new(Event::HoldPlaced(Box::new(
            HoldPlaced {
                log: station.clone(),
                evidence: id,
                objects,
                not_held,
                by,
            },
        )))))
    }

    /// `hold`: the entry that placed it, which need not be given where there is only one. Blocks.
    pub(super) fn lift(&self, order: &ItemOrder, hold: Option<u64>) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        self.item(order)?;
        let refused = |why| OfficeError::NothingToDecide { item: id, why };
        let index = match (hold, self.index.holds(station, id)?.as_slice()) {
            (_, []) => return Err(refused("no hold keeps it")),
            (Some(hold), holds) if holds.contains(&hold) => hold,
            (None, [only]) => *only,
            (Some(_), _) => return Err(refused("no hold that keeps it has this entry")),
            (None, _) => {
                return Err(refused(
                    "several holds keep it; say which is lifted by the entry that placed it",
                ));
            }
        };
        Ok(Made::Act(Box::new(Event::HoldLifted(Box::new(
            HoldLifted {
                log: station.clone(),
                evidence: id,
                hold: self.acts.reference(index),
                by: self.decider(order)?,
            },
        )))))
    }

    /// Makes the store follow the published holds until `stop` is true.
    pub async fn follow_holds(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut published = self.acts.published();
        while !*stop.borrow() {
            published.mark_unchanged();
            let settled = tokio::select! {
                settled = self.settle() => settled,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = settled {
                warn(
                    &error,
                    "the store does not follow a hold; it is tried again",
                );
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {},
                _ = published.changed() => {},
                _ = stop.changed() => {},
            }
        }
    }

    async fn settle(&self) -> Result<(), OfficeError> {
        self.read_on()?;
        let now = Timestamp::now();
        let before = now.checked_sub(AGAIN).unwrap_or(now);
        let tried = now.checked_sub(SignedDuration::from_secs(30));
        let tried = tried.unwrap_or(now);
        let index = &self.index;
        let unsettled = tokio::task::block_in_place(|| index.unsettled_holds(before, tried, STEP))?;
        let mut last = Ok(());
        for item in unsettled {
            let followed = self.follow(&item).await;
            tokio::task::block_in_place(|| index.tried_holds(&item, followed.is_ok(), now))?;
            last = followed.and(last);
        }
        last
    }

    /// Sets or takes off the legal hold of every version of an item.
    async fn follow(&self, item: &HeldItem) -> Result<(), OfficeError> {
        // Nothing is placed while the last one is taken off.
        let _turn = if item.held {
            None
        } else {
            let turn = self.begin().await?;
            let (index, station) = (&self.index, &item.station);
            if !tokio::task::block_in_place(|| index.holds(station, item.item))?.is_empty() {
                return Ok(());
            }
            Some(turn)
        };
        let mut last = Ok(());
        for version in self.keeper.versions(&item.station, item.item).await? {
            last = self.keeper.set_hold(&version, item.held).await.and(last);
        }
        last
    }
}
