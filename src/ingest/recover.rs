//! Brings journal, spool and log in line after a stop, a kill or a power cut, through the normal commit steps (promise 9).

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::events::EndReason;
use super::rebuild::rebuild;
use super::{IngestError, Shared, now, sweep_previews};
use crate::durable;
use crate::failpoint::reached;
use crate::journal::{ItemRow, LoggedItem, PreviewState, SessionEnd, StoreProgress, StoredProof};
use crate::metrics;
use crate::model::{Event, EvidenceId, ItemQuarantined, ItemState, Part, SessionId};
use crate::seal::SealError;

/// Log entries before this were in line with the journal at an earlier start.
const RECONCILED: &str = "reconciled";
/// How much of the log the bucket is known to hold.
pub const PUBLISHED: &str = "published";
/// The largest log that others may have seen: a receipt names it, as [`Journal::mark_stored`] keeps it, or the bucket held it
/// before its copy became older.
///
/// [`Journal::mark_stored`]: crate::journal::Journal::mark_stored
pub const WITNESSED: &str = "witnessed";

/// Counts of the things that a start found out of line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Sealed items whose log entry was missing, or was there without the journal knowing.
    pub relogged: u64,
    /// Interrupted pulls that can be resumed.
    pub resumable: u64,
    /// Sealed items still on their way to the store.
    pub in_flight: u64,
    /// Uncommitted leftovers that were removed; their sources are still on the camera.
    pub removed: u64,
    /// Sealed items whose file is missing.
    pub alarms: u64,
}

/// Brings everything in line before the first camera is looked at. Blocks.
pub fn recover(shared: &Shared) -> Result<Recovered, IngestError> {
    let mut found = Recovered::default();
    let reconciled = shared.journal.number(RECONCILED)?;
    let forgotten = forgotten(shared)?;
    let logged = scan(shared, reconciled.unwrap_or(0))?;
    if reconciled.is_none() && shared.log_size() > 0
        || !forgotten.is_empty()
        || is_older(shared, &logged)?
    {
        rebuild(shared)?;
    }
    shared.journal.unlog_from(shared.log_size())?;
    reached!("recover: begun");
    relog(shared, &logged, &mut found)?;
    reached!("recover: logged again");
    restore(shared, &logged)?;
    reached!("recover: stored restored");
    sweep(shared, &forgotten, &mut found)?;
    reached!("recover: swept");
    sweep_previews(shared)?;
    close_sessions(shared, &logged)?;
    reached!("recover: sessions closed");
    shared.journal.erase_unused_keys()?;
    found.in_flight = shared
        .journal
        .state_totals()?
        .iter()
        .filter(|total| matches!(total.state, ItemState::Logged | ItemState::Uploading))
        .map(|total| total.items)
        .sum();
    shared.journal.set_number(RECONCILED, shared.log_size())?;
    Ok(found)
}

/// Items of the spool that the log knows and the journal does not: the journal was lost, or restored from an old copy.
fn forgotten(shared: &Shared) -> Result<HashSet<EvidenceId>, IngestError> {
    let mut unknown = HashSet::new();
    for (id, partial) in shared.spool.list().map_err(SealError::Read)? {
        if !partial && shared.journal.item(id)?.is_none() {
            unknown.insert(id);
        }
    }
    if !unknown.is_empty() {
        let logged = scan(shared, 0)?;
        unknown.retain(|id| logged.sealed.contains_key(id));
    }
    Ok(unknown)
}

/// Whether the journal knows less than the log, as after a restore from an old copy: items that are stored and gone from the
/// spool would be taken a second time.
fn is_older(shared: &Shared, logged: &LoggedIds) -> Result<bool, IngestError> {
    for id in logged.sealed.keys() {
        if shared.journal.item(*id)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Default)]
struct LoggedIds {
    sealed: HashMap<EvidenceId, u64>,
    /// With the entry's index and time.
    stored: HashMap<EvidenceId, (u64, Timestamp)>,
    /// Given up as damaged: see [`Shared::lose`].
    failed: HashSet<EvidenceId>,
    previewed: Vec<(EvidenceId, Part)>,
    docked: HashSet<SessionId>,
    /// With whether nothing was missing.
    ended: HashMap<SessionId, bool>,
}

/// The ids in the log's entries from this index on.
fn scan(shared: &Shared, from: u64) -> Result<LoggedIds, IngestError> {
    #[derive(Deserialize)]
    struct Light {
        time: Timestamp,
        event: String,
        session: Option<SessionId>,
        data: serde_json::Value,
    }
    let mut logged = LoggedIds::default();
    for index in from..shared.log_size() {
        let bytes = shared.log.entry(index)?;
        let Ok(entry) = serde_json::from_slice::<Light>(&bytes) else {
            continue;
        };
        let id = || {
            entry
                .data
                .get("evidence")?
                .as_str()?
                .parse::<EvidenceId>()
                .ok()
        };
        match entry.event.as_str() {
            "item.sealed" => logged.sealed.extend(id().map(|id| (id, index))),
            "item.stored" => logged
                .stored
                .extend(id().map(|id| (id, (index, entry.time)))),
            "item.failed" => logged.failed.extend(id()),
            "item.previewed" => {
                let part = entry.data.get("part").cloned();
                let part = part.and_then(|part| serde_json::from_value::<Part>(part).ok());
                logged.previewed.extend(id().zip(part));
            }
            "camera.docked" | "import.declared" => logged.docked.extend(entry.session),
            "camera.undocked" | "session.ended" | "import.ended" => {
                let complete = entry.data.get("complete") == Some(&true.into());
                logged
                    .ended
                    .extend(entry.session.map(|session| (session, complete)));
            }
            _ => {}
        }
    }
    Ok(logged)
}

/// Items that are sealed in the journal: their entry is in the log already, or is appended now.
fn relog(shared: &Shared, logged: &LoggedIds, found: &mut Recovered) -> Result<(), IngestError> {
    loop {
        let rows = shared.journal.items_in(&[ItemState::Sealed], None, 256)?;
        if rows.is_empty() {
            return Ok(());
        }
        let (known, missing): (Vec<ItemRow>, Vec<ItemRow>) = rows
            .into_iter()
            .partition(|row| logged.sealed.contains_key(&row.id));
        found.relogged += (known.len() + missing.len()) as u64;
        let mut at: Vec<LoggedItem> = known
            .iter()
            .map(|row| LoggedItem {
                id: row.id,
                index: logged.sealed[&row.id],
            })
            .collect();
        let (mut entries, mut own) = (Vec::new(), Vec::new());
        for row in &missing {
            let Some(sealed) = &row.sealed else { continue };
            own.push((row.id, entries.len() as u64));
            entries.push(sealed.manifest.clone());
            if let Some(reason) = &row.quarantine {
                let event = Event::ItemQuarantined(ItemQuarantined {
                    evidence: row.id,
                    reason: reason.clone(),
                });
                entries.push(shared.encode(Some(row.session), event)?);
            }
        }
        if !entries.is_empty() {
            let first = shared.append(entries)?;
            reached!("recover: appended");
            at.extend(own.into_iter().map(|(id, offset)| LoggedItem {
                id,
                index: first + offset,
            }));
        }
        shared.journal.mark_logged(&at)?;
    }
}

/// Items and previews whose entry is in the log while the journal does not say so: they were just stored or given up.
fn restore(shared: &Shared, logged: &LoggedIds) -> Result<(), IngestError> {
    for (id, (index, at)) in &logged.stored {
        if let Some(row) = shared.journal.item(*id)?
            && matches!(row.state, ItemState::Logged | ItemState::Uploading)
        {
            let proof = StoredProof {
                index: *index,
                at: *at,
                receipt: shared.log.proof(*index)?.into_bytes(),
            };
            shared.journal.mark_stored(*id, &proof, shared.log_size())?;
        }
    }
    for id in logged
        .failed
        .iter()
        .filter(|id| !logged.stored.contains_key(id))
    {
        if let Some(row) = shared.journal.item(*id)?
            && matches!(row.state, ItemState::Logged | ItemState::Uploading)
        {
            shared.journal.mark_damaged(*id)?;
        }
    }
    for (id, part) in &logged.previewed {
        if let Some(row) = shared.journal.preview(*id, *part)?
            && row.state == PreviewState::Entered
        {
            shared.journal.preview_done(*id, *part)?;
        }
    }
    Ok(())
}

/// Every file of the spool has its row, and every row its file.
fn sweep(
    shared: &Shared,
    forgotten: &HashSet<EvidenceId>,
    found: &mut Recovered,
) -> Result<(), IngestError> {
    for (id, partial) in shared.spool.list().map_err(SealError::Read)? {
        let row = shared.journal.item(id)?;
        let path = if partial {
            shared.spool.partial(id)
        } else {
            shared.spool.sealed(id)
        };
        match row.map(|row| row.state) {
            Some(ItemState::Pulling) => {
                // Renamed, but the journal's step was lost: it is resumed as a partial file that happens to be whole.
                if !partial {
                    durable::rename_unsynced(&path, &shared.spool.partial(id))?;
                }
                found.resumable += 1;
            }
            Some(ItemState::Released) => durable::remove(&path)?,
            // The stop came while it was being given up.
            Some(ItemState::Failed) if !partial => {
                durable::rename_unsynced(&path, &shared.spool.damaged(id))?;
            }
            Some(_) if !partial => {}
            Some(_) => durable::remove(&path)?,
            None if forgotten.contains(&id) => {
                found.alarms += 1;
                tracing::error!(code = "journal_lost", evidence = %id, path = %path.display(),
                    next_step = "keep this file, and report this with its log entry",
                    "the custody log names a sealed file in a way that cannot be read");
            }
            // Such a log cannot have been written when the file was sealed: it was lost together with the journal.
            None if !partial && shared.log_size() == 0 => {
                let kept = shared.spool.unknown(id);
                durable::rename_unsynced(&path, &kept)?;
                found.alarms += 1;
                tracing::error!(code = "spool_file_unknown", evidence = %id, path = %kept.display(),
                    next_step = "keep this file: its recipients can open it with `camdock open FILE`",
                    "the spool holds a sealed file that neither the journal nor the empty custody log knows");
            }
            None => {
                durable::remove(&path)?;
                found.removed += 1;
            }
        }
    }
    let mut after = None;
    loop {
        let rows = shared.journal.items_in(
            &[ItemState::Pulling, ItemState::Logged, ItemState::Uploading],
            after,
            512,
        )?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some(last.id);
        for row in &rows {
            if row.state == ItemState::Pulling {
                if !shared.spool.partial(row.id).exists() {
                    shared.journal.drop_pulling(row.id)?;
                }
            } else if !shared.spool.sealed(row.id).exists()
                && row.storing == StoreProgress::Unconfirmed
            {
                found.alarms += 1;
                metrics::error("spool_file_missing");
                let reason = "its sealed file is gone from the spool";
                shared.lose(row, "spool_file_missing", reason.into())?;
            }
        }
    }
}

/// Ends the sessions that were open when the station stopped without notice: in the log once, and only if they began there.
fn close_sessions(shared: &Shared, logged: &LoggedIds) -> Result<(), IngestError> {
    for session in shared.journal.open_sessions()? {
        let ended = logged.ended.get(&session.id).copied();
        if ended.is_some() || !logged.docked.contains(&session.id) {
            let end = SessionEnd {
                at: now(),
                complete: ended.unwrap_or(false),
            };
            shared.journal.end_session(session.id, end)?;
            continue;
        }
        let counts = shared.journal.inventory_counts(session.id)?;
        let missing_count = counts.pending.files + counts.failed.files;
        let missing = shared.journal.missing(session.id, 100)?;
        let reason = EndReason::Unwatched("the station stopped without notice".into());
        let ended = reason.event(&session, false, missing, missing_count);
        shared.log_event(Some(session.id), ended)?;
        reached!("recover: session logged");
        let end = SessionEnd {
            at: now(),
            complete: false,
        };
        shared.journal.end_session(session.id, end)?;
    }
    Ok(())
}
