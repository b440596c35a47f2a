//! Rebuilds a lost journal: the custody log says what was sealed and stored, and the spool holds what is on its way.
//!
//! The items' keys are in a file of their own, which may have survived. An item whose key is gone, too, is uploaded as it lies
//! in the spool, without its `item-key`; its recipients can still open it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{IngestError, Shared};
use crate::journal::{ItemRow, SealedFacts, SessionEnd, SessionRow, StoreProgress, StoredProof};
use crate::model::{
    Entry, Event, EvidenceId, FileFacts, IMPORT_MAKE, ImportDeclared, ItemSealed, ItemState,
    SessionId, WipeResult,
};

/// Rows of one journal transaction.
const CHUNK: usize = 512;

/// The log's facts about items and sessions, beside the seals themselves.
#[derive(Default)]
struct LogFacts {
    stored: HashMap<EvidenceId, (u64, Timestamp)>,
    failed: HashSet<EvidenceId>,
    quarantined: HashMap<EvidenceId, String>,
    ended: HashMap<SessionId, SessionEnd>,
    wiped: Vec<EvidenceId>,
}

/// Enters every session and item of the log that the journal does not know; returns the number of items in the log. It can
/// be repeated after a stop.
pub fn rebuild(shared: &Shared) -> Result<u64, IngestError> {
    tracing::error!(
        code = "journal_lost",
        next_step = "check the disk; the journal is now rebuilt from the custody log and the spool",
        "the journal does not know what the custody log knows"
    );
    let mut facts = LogFacts::default();
    each(shared, |index, entry| {
        match entry.event {
            Event::ItemStored(stored) => {
                facts.stored.insert(stored.evidence, (index, entry.time));
            }
            Event::ItemFailed(failed) => facts.failed.extend(failed.evidence),
            Event::ItemQuarantined(item) => {
                facts.quarantined.insert(item.evidence, item.reason);
            }
            Event::CameraWiped(wiped) => {
                facts
                    .wiped
                    .extend(wiped.files.iter().filter_map(WipeResult::deleted));
            }
            Event::CameraUndocked(left) | Event::SessionEnded(left) | Event::ImportEnded(left) => {
                let end = SessionEnd {
                    at: entry.time,
                    complete: left.complete,
                };
                facts.ended.extend(entry.session.map(|id| (id, end)));
            }
            _ => {}
        }
        Ok(())
    })?;
    let (mut items, mut count) = (Vec::new(), 0);
    each(shared, |index, entry| {
        let Some(session) = entry.session else {
            return Ok(());
        };
        match &entry.event {
            Event::CameraDocked(docked) => {
                let row = SessionRow {
                    id: session,
                    bay: docked.bay.clone(),
                    camera: docked.camera.clone(),
                    profile: docked.profile.clone(),
                    access: docked.access.clone(),
                    officer: docked.officer.clone(),
                    quarantine: docked.quarantine.clone(),
                    started: entry.time,
                    ended: None,
                    source: None,
                };
                let ended = facts.ended.get(&session).copied();
                let ahead = docked.camera_clock.as_ref().and_then(|c| c.ahead_seconds);
                shared.journal.adopt_session(&row, ahead, ended)?;
            }
            Event::ImportDeclared(declared) => {
                let ended = facts.ended.get(&session).copied();
                let row = import_row(session, entry.time, declared);
                shared.journal.adopt_session(&row, None, ended)?;
            }
            Event::ItemSealed(sealed) => {
                items.push(row(shared, &facts, session, index, sealed)?);
                count += 1;
                if items.len() == CHUNK {
                    shared.journal.adopt_items(&items)?;
                    items.clear();
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    shared.journal.adopt_items(&items)?;
    shared.journal.mark_wiped(&facts.wiped)?;
    decide_again(shared)?;
    tracing::info!(items = count, "the journal is rebuilt");
    Ok(count)
}

fn import_row(id: SessionId, started: Timestamp, declared: &ImportDeclared) -> SessionRow {
    SessionRow {
        id,
        bay: declared.bay.clone(),
        camera: Some(declared.camera.clone()),
        profile: IMPORT_MAKE.to_owned(),
        access: IMPORT_MAKE.to_owned(),
        officer: declared.facts.officer.clone(),
        quarantine: None,
        started,
        ended: None,
        source: Some(declared.facts.source.clone()),
    }
}

fn row(
    shared: &Shared,
    facts: &LogFacts,
    session: SessionId,
    index: u64,
    sealed: &ItemSealed,
) -> Result<ItemRow, IngestError> {
    let id = sealed.evidence;
    let stored = facts.stored.get(&id).copied();
    let spooled = shared.spool.sealed(id).exists();
    let state = match stored {
        // Its receipt may be missing in the store until its file is removed.
        Some(_) if spooled => ItemState::Stored,
        Some(_) => ItemState::Released,
        None if facts.failed.contains(&id) => ItemState::Failed,
        None => ItemState::Logged,
    };
    if state == ItemState::Logged && !shared.journal.has_key(id) {
        tracing::error!(code = "item_key_lost", evidence = %id, path = %sealed.path,
            next_step = "nothing to do: its recipients can open the footage without it",
            "the key of an item in flight is lost; it is stored as it lies in the spool, unchecked, without an item-key");
    }
    let storing = match stored {
        None => StoreProgress::Unconfirmed,
        Some((index, at)) if spooled => StoreProgress::Logged(StoredProof {
            index,
            at,
            receipt: shared.log.proof(index)?.into_bytes(),
        }),
        Some((index, at)) => StoreProgress::Receipted { index, at },
    };
    Ok(ItemRow {
        id,
        session,
        camera: sealed.camera.clone(),
        facts: FileFacts {
            path: sealed.path.clone(),
            size: sealed.size,
            modified: sealed.modified,
            flagged: sealed.flagged,
            kind: sealed.kind,
        },
        state,
        wrapped_key: None,
        sealed: Some(SealedFacts {
            sha256: sealed.sha256,
            sealed_size: sealed.sealed_size,
            item_key_message: Vec::new(),
            manifest: shared.log.entry(index)?,
        }),
        quarantine: facts.quarantined.get(&id).cloned(),
        log_index: Some(index),
        storing,
    })
}

/// Repeats the operators' decisions and the officers' tags, which are in the log, too.
fn decide_again(shared: &Shared) -> Result<(), IngestError> {
    each(shared, |_, entry| {
        let action = match entry.event {
            Event::OperatorAction(action) => action,
            Event::ItemTaggedAtDock(said) => return Ok(shared.journal.note_dock_tags(&[*said])?),
            _ => return Ok(()),
        };
        let Some(id) = action.evidence else {
            return Ok(());
        };
        match (action.action.as_str(), &action.officer) {
            ("quarantine.accept", _) => shared.journal.decide(id, "accepted").map(drop)?,
            ("quarantine.reject", _) => shared.journal.decide(id, "rejected").map(drop)?,
            ("officer.reassign", Some(officer)) => {
                shared.journal.reassign(id, officer).map(drop)?;
            }
            _ => {}
        }
        Ok(())
    })
}

/// Visits every entry in order. Entries that this version cannot read are left out.
fn each(
    shared: &Shared,
    mut see: impl FnMut(u64, Entry) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let mut at = 0;
    loop {
        let entries = shared.log.entries_from(at)?;
        if entries.is_empty() {
            return Ok(());
        }
        for (index, bytes) in (at..).zip(&entries) {
            if let Ok(entry) = serde_json::from_slice(bytes) {
                see(index, entry)?;
            }
        }
        at += entries.len() as u64;
    }
}
