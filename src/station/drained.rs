//! When `run --drain` has done all that can be done, and how it ends.

use super::service::Ended;
use crate::ingest::{DAMAGED, Outbound, Shared};
use crate::journal::FileTotals;
use crate::model::ItemState;

/// How a run ends that has nothing left to store.
pub(super) fn secured(shared: &Shared) -> Ended {
    let bays = shared.bays.all();
    if bays.iter().any(|bay| bay.status.needs_person()) {
        Ended::NeedsAttention
    } else {
        Ended::AllStored
    }
}

/// Whether all that can be done is done.
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
    // Damaged on this station, and still on a docked camera: taken again.
    if shared.journal.pending()? > 0 {
        return Ok(None);
    }
    // Stored, but its key and its spool file are still here: not done, unless that cannot be done.
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
    // What is left needs a person: waiting for it would never end.
    let blocked = view.alarms.values();
    let blocked = blocked.filter(|alarm| alarm.code != DAMAGED);
    let stuck =
        waiting == blocked.count() as u64 || view.problem.as_ref().is_some_and(|p| p.needs_person);
    Ok(stuck.then_some(Ended::NeedsAttention))
}

pub(super) fn totals(shared: &Shared) -> anyhow::Result<FileTotals> {
    let counts = shared.journal.state_totals()?;
    Ok(FileTotals {
        files: counts.iter().map(|total| total.items).sum(),
        bytes: counts.iter().map(|total| total.bytes).sum(),
    })
}
