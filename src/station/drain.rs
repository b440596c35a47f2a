//! Decides when a run with `--drain` has nothing left to do, and how it ends.

use super::service::Ended;
use crate::ingest::{DAMAGED, Outbound, Shared};
use crate::model::{BayStatus, BayView, ItemState, Problem};
use crate::witnessing::Witnesses;

/// Decides how a run ends when nothing is left to store; `None` while a bay waits for witnesses that may still cosign.
pub(super) fn secured(shared: &Shared, witnesses: Option<&Witnesses>) -> Option<Ended> {
    let bays = shared.bays.all();
    let waits = |bay: &BayView| matches!(bay.status, BayStatus::WaitingForWitness { .. });
    if bays.iter().any(waits) {
        // Waiting for what needs a person would never end.
        let blocked = witnesses.is_none_or(Witnesses::blocked);
        return blocked.then_some(Ended::NeedsAttention);
    }
    Some(if bays.iter().any(|bay| bay.status.needs_person()) {
        Ended::NeedsAttention
    } else {
        Ended::AllStored
    })
}

/// Items that are not in the store with their receipts.
fn waiting(shared: &Shared) -> anyhow::Result<u64> {
    let totals = shared.journal.state_totals()?;
    let unstored = [ItemState::Sealed, ItemState::Logged, ItemState::Uploading];
    let totals = totals.iter().filter(|t| unstored.contains(&t.state));
    Ok(totals.map(|total| total.items).sum::<u64>() + shared.journal.unreceipted()?)
}

/// Decides how the run ends, once everything that can be done without a person is done. `stuck`: a docked camera cannot
/// continue.
pub(super) fn drained(
    shared: &Shared,
    outbound: &Outbound,
    witnesses: Option<&Witnesses>,
    stuck: bool,
) -> anyhow::Result<Option<Ended>> {
    let waiting = waiting(shared)?;
    let view = outbound.snapshot();
    if waiting == 0 && outbound.previews && shared.journal.previews_pending()? > 0 {
        let blocked = view.previews.problem.is_some_and(|p| p.needs_person);
        return Ok(blocked.then_some(Ended::NeedsAttention));
    }
    // Items that were damaged on this station are taken again from a docked camera.
    if !stuck && shared.journal.pending()? > 0 {
        return Ok(None);
    }
    // A stored item whose key and spool file are still here is not done, unless they cannot be removed.
    if waiting == 0 && view.alarms.is_empty() && !outbound.to_settle(1)?.is_empty() {
        return Ok(None);
    }
    if waiting == 0 {
        let fine = shared.journal.damaged()?.is_empty() && view.alarms.is_empty();
        return Ok(if fine {
            secured(shared, witnesses)
        } else {
            Some(Ended::NeedsAttention)
        });
    }
    // Waiting for what needs a person would never end.
    let blocked = view.alarms.values();
    let blocked = blocked.filter(|alarm| alarm.code != DAMAGED);
    let refused =
        waiting == blocked.count() as u64 || view.problem.as_ref().is_some_and(|p| p.needs_person);
    Ok(refused.then_some(Ended::NeedsAttention))
}

/// Says what a person has to do before the rest can be stored.
pub(super) fn report_unfinished(
    shared: &Shared,
    outbound: &Outbound,
    witnesses: Option<&Witnesses>,
) -> anyhow::Result<()> {
    for bay in shared.bays.all() {
        if let BayStatus::NeedsAttention {
            code,
            reason,
            next_step,
            ..
        }
        | BayStatus::NotRecognised {
            code,
            reason,
            next_step,
        } = &bay.status
        {
            tracing::warn!(bay = %bay.bay, code, reason, next_step, "left to do at a bay");
        }
    }
    let view = outbound.snapshot();
    for (
        evidence,
        Problem {
            code,
            reason,
            next_step,
            ..
        },
    ) in &view.alarms
    {
        tracing::warn!(evidence, code, reason, next_step, "left to do for an item");
    }
    let of_witnesses = witnesses.map_or(Vec::new(), Witnesses::problems);
    let problems = view.problem.iter().chain(&view.previews.problem);
    for problem in problems.chain(&of_witnesses) {
        let Problem {
            code,
            reason,
            next_step,
            ..
        } = problem;
        tracing::warn!(code, reason, next_step, "left to do");
    }
    let (waiting, pending) = (waiting(shared)?, shared.journal.pending()?);
    tracing::warn!(
        code = "drain_unfinished",
        items_not_stored = waiting,
        files_not_taken = pending,
        next_step = "do what the lines above say, then run it again",
        "the run ends: nothing more will change without a person"
    );
    Ok(())
}
