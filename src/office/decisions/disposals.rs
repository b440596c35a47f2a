//! Disposal: one person proposes that an item whose class has run out is deleted, another approves. Nothing is deleted here: the
//! disposer does that by itself, from the published acts.

use jiff::Timestamp;

use super::{Decisions, Made};
use crate::model::{
    DisposalApproved, DisposalProposed, DisposalWithdrawn, Event, Obstacle, is_one_person,
};
use crate::office::OfficeError;
use crate::office::due::{Standing, stands};
use crate::office::index::KnownDisposal;
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
        for sidecar in self.index.sidecars_of(&order.station, order.evidence)? {
            let own = ItemOrder {
                evidence: sidecar,
                ..order.clone()
            };
            self.may_go(&own)?;
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
        let Standing { class, .. } = self.may_go(order)?;
        if class != known.proposal.act.class {
            return Err(not_disposable(order, Obstacle::ClassChanged));
        }
        let by = self.decider(order)?;
        if is_one_person(&known.proposal.act.by, &by) {
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

const fn not_disposable(order: &ItemOrder, why: Obstacle) -> OfficeError {
    OfficeError::NotDisposable {
        item: order.evidence,
        why,
    }
}
