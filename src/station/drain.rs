//! When a run with `--drain` has nothing left to do, and how it ends.

use super::service::Ended;
use crate::ingest::{DAMAGED, Outbound, Shared};
use crate::model::ItemState;

/// How a run ends when nothing is left to store.
pub(super) fn secured(shared: &Shared) -> Ended {
    let bays = shared.bays.all();
    if bays.iter().any(|bay| bay.status.needs_person()) {
        Ended::NeedsAttention
    } else {
        Ended::AllStored
    }
}

/// How the run ends, once everything that can be done without a person is done.
pub(super) fn drained(shared: &Shared, outbound: &Outbound) -> anyhow::Result<Option<Ended>> {
    let counts = shared.journal.state_totals()?;
    let of = |wanted: &[ItemState]| -> u64 {
        counts
            .iter()
            .filter(|total| wanted.contains(&total.state))
            .map(|total| total.items)
            .sum()
    };
    let waiting = of(&[ItemState::Sealed, ItemState::Logged, ItemState::Uploading])
        + shared.journal.unreceipted()?;
    let view = outbound.snapshot();
    if waiting == 0 && outbound.previews && shared.journal.previews_pending()? > 0 {
        let stuck = view.previews.problem.is_some_and(|p| p.needs_person);
        return Ok(stuck.then_some(Ended::NeedsAttention));
    }
    // Items that were damaged on this station are taken again from a docked camera.
    if shared.journal.pending()? > 0 {
        return Ok(None);
    }
    // A stored item whose key and spool file are still here is not done, unless they cannot be removed.
    if waiting == 0 && view.alarms.is_empty() && !outbound.to_settle(1)?.is_empty() {
        return Ok(None);
    }
    if waiting == 0 {
        let fine = shared.journal.damaged()?.is_empty() && view.alarms.is_empty();
        let done = if fine {
            secured(shared)
        } else {
            Ended::NeedsAttention
        };
        return Ok(Some(done));
    }
    // Waiting for what needs a person would never end.
    let blocked = view.alarms.values();
    let blocked = blocked.filter(|alarm| alarm.code != DAMAGED);
    let stuck =
        waiting == blocked.count() as u64 || view.problem.as_ref().is_some_and(|p| p.needs_person);
    Ok(stuck.then_some(Ended::NeedsAttention))
}
