//! Disposal: one person proposes that an item whose class has run out is deleted, another approves. Nothing is deleted here: the
//! disposer does that by itself, from the published acts.

use jiff::Timestamp;

use super::{Decisions, Made};
use crate::model::{
    DisposalApproved, DisposalProposed, DisposalWithdrawn, Event, ItemDecision, Obstacle,
    is_one_person,
};
use crate::office::OfficeError;
use crate::office::disposals::see_gone;
use crate::office::due::{Standing, stands};
use crate::office::index::KnownDisposal;
use crate::upload::Store as _;
use crate::web::ItemOrder;

impl Decisions {
    /// Blocks.
    pub(super) fn propose_disposal(
        &self,
        order: &ItemOrder,
        reviewed: bool,
    ) -> Result<Made, OfficeError> {
        self.item(order)?;
        if let Some(known) = self.disposal(order)? {
            return Ok(Made::Before(known.proposal.entry));
        }
        let Standing { class, rule, item } = self.may_go(order)?;
        if rule.review && !reviewed {
            return Err(not_disposable(order, Obstacle::Unreviewed));
        }
        // A recording and its sidecars share their fate.
        for sidecar in self.sidecars_left(order)? {
            self.may_go(&sidecar)?;
        }
        let proposed = DisposalProposed {
            log: order.station.clone(),
            evidence: order.evidence,
            class,
            days: rule.days,
            sealed: item.sealed,
            reviewed,
            by: self.decider(order)?,
        };
        Ok(Made::Act(Box::new(Event::DisposalProposed(Box::new(
            proposed,
        )))))
    }

    /// Blocks.
    pub(super) fn approve_disposal(&self, order: &ItemOrder) -> Result<Made, OfficeError> {
        self.item(order)?;
        let known = self.disposal(order)?;
        let known = known.ok_or_else(|| not_disposable(order, Obstacle::NotProposed))?;
        if let Some(approval) = &known.approval {
            return Ok(Made::Before(approval.entry));
        }
        let mut all = vec![self.approvable(order)?];
        // One that stays keeps its recording, and that is known before anything is entered.
        for sidecar in self.sidecars_left(order)? {
            all.push(self.approvable(&sidecar)?);
        }
        let by = self.decider(order)?;
        let own = |known: &KnownDisposal| {
            known.approval.is_none() && is_one_person(&known.proposal.act.by, &by)
        };
        if all.iter().any(own) {
            return Err(not_disposable(order, Obstacle::OnePerson));
        }
        let approved = DisposalApproved {
            log: order.station.clone(),
            evidence: order.evidence,
            proposal: self.acts.reference(known.proposal.entry),
            by,
        };
        Ok(Made::Act(Box::new(Event::DisposalApproved(Box::new(
            approved,
        )))))
    }

    /// Blocks.
    pub(super) fn withdraw_disposal(&self, order: &ItemOrder) -> Result<Made, OfficeError> {
        self.item(order)?;
        let known = self.disposal(order)?;
        let known = known.ok_or_else(|| not_disposable(order, Obstacle::NotProposed))?;
        let withdrawn = DisposalWithdrawn {
            log: order.station.clone(),
            evidence: order.evidence,
            proposal: self.acts.reference(known.proposal.entry),
            by: self.decider(order)?,
        };
        Ok(Made::Act(Box::new(Event::DisposalWithdrawn(Box::new(
            withdrawn,
        )))))
    }

    /// The proposal by which an item may go now.
    fn approvable(&self, order: &ItemOrder) -> Result<KnownDisposal, OfficeError> {
        let known = self.disposal(order)?;
        let known = known.ok_or_else(|| not_disposable(order, Obstacle::NotProposed))?;
        let Standing { class, .. } = self.may_go(order)?;
        if class != known.proposal.act.class {
            return Err(not_disposable(order, Obstacle::ClassChanged));
        }
        Ok(known)
    }

    /// The same order about each sidecar, without those that were deleted already, and those of which nothing is to be withdrawn.
    pub(super) fn sidecars_left(&self, order: &ItemOrder) -> Result<Vec<ItemOrder>, OfficeError> {
        let withdraws = order.decision == ItemDecision::WithdrawDisposal;
        let mut left = Vec::new();
        for evidence in self.index.sidecars_of(&order.station, order.evidence)? {
            let known = self.index.disposal_of(&order.station, evidence)?;
            if known.map_or(!withdraws, |known| known.disposed.is_none()) {
                left.push(ItemOrder {
                    evidence,
                    ..order.clone()
                });
            }
        }
        Ok(left)
    }

    /// Nothing more is decided about what keeps an item, once the disposer has begun with it and the store says that nothing of it is
    /// left: what was deleted by rule would look as if it was not. The store is asked, so that no record alone refuses a hold.
    pub(super) async fn is_left(&self, order: &ItemOrder) -> Result<(), OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        let known = tokio::task::block_in_place(|| self.index.disposal_of(station, id))?;
        let Some(approval) = known.and_then(|known| known.approval) else {
            return Ok(());
        };
        let own = self.config.bucket_layout();
        let plan = own.disposal(approval.entry, id, "planned-1.json");
        let store = &self.keeper.store;
        if store.head(&plan, None).await?.is_none() {
            return Ok(());
        }
        match see_gone(store, &self.config.layout_of(station), id, &[]).await {
            Ok(()) => Err(not_disposable(order, Obstacle::Disposed)),
            Err(OfficeError::StillThere { .. } | OfficeError::NotStored { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn disposal(&self, order: &ItemOrder) -> Result<Option<KnownDisposal>, OfficeError> {
        let known = self.index.disposal_of(&order.station, order.evidence)?;
        match known {
            Some(known) if known.disposed.is_some() => {
                Err(not_disposable(order, Obstacle::Disposed))
            }
            known => Ok(known),
        }
    }

    /// By which rule the item may go now.
    fn may_go(&self, order: &ItemOrder) -> Result<Standing, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        if self.acts.is_shared(station, id) {
            return Err(not_disposable(order, Obstacle::Shared));
        }
        let item = self.index.kept_item(station, id)?;
        let item = item.ok_or(OfficeError::NotStored { item: id })?;
        let (undecided, _) = self.item(order)?;
        stands(&self.config.keeping, item, undecided, Timestamp::now())
            .map_err(|why| not_disposable(order, why))
    }
}

/// Whether an item was refused since it was deleted by rule.
pub(super) const fn is_gone(error: &OfficeError) -> bool {
    matches!(
        error,
        OfficeError::NotDisposable {
            why: Obstacle::Disposed,
            ..
        }
    )
}

const fn not_disposable(order: &ItemOrder, why: Obstacle) -> OfficeError {
    OfficeError::NotDisposable {
        item: order.evidence,
        why,
    }
}
