//! Lists a camera into the journal and names its files in the log (promise 1). The list is never in memory as a whole.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{IngestError, Shared, now};
use crate::camera::{Camera, CameraEntry, RefusedEntry};
use crate::failpoint::reached;
use crate::journal::InventoryRow;
use crate::metrics;
use crate::model::{
    CameraClock, Event, FileFacts, FileTimes, InventoryFile, InventoryTaken, ItemFailed, ItemKind,
    SessionId, SourcePath,
};

/// Rows of one journal transaction.
const CHUNK: usize = 512;
/// Bytes of one log entry's file list, well below the log's 65,535.
const PAGE_BYTES: usize = 48_000;
/// Refused entries that one session names one by one; beyond, one entry says that there are more.
const REFUSED_MAX: usize = 10_000;

/// Seconds by which the newest file may be ahead before a warning is logged.
const CLOCK_TOLERANCE: i64 = 120;

/// Entries that a session has refused, so that a rescan does not log them again: code and reason by name.
pub type Refusals = BTreeMap<String, (&'static str, String)>;

/// Lists the whole camera once; returns how many files are new or changed since the last inventory. Entries
/// that a failed inventory refused and did not name are refused again by the next one.
pub fn take(
    shared: &Shared,
    session: SessionId,
    camera: &mut dyn Camera,
    refusals: &mut Refusals,
    times: Option<&FileTimes>,
    stop: &dyn Fn() -> bool,
) -> Result<u64, IngestError> {
    let mut refused = Vec::new();
    let listed = list(
        shared,
        session,
        camera,
        (&mut *refusals, &mut refused),
        stop,
    );
    let named = listed.and_then(|listed| {
        name_refused(shared, session, &refused)?;
        Ok(listed)
    });
    let (fresh, newest) = named.inspect_err(|_| {
        for entry in &refused {
            refusals.remove(&entry.name);
        }
    })?;
    let clock = times.zip(newest).and_then(|(t, n)| t.bound(n, now()));
    if let Some(seconds) = clock.as_ref().and_then(|c| c.ahead_at_least_seconds)
        && seconds > CLOCK_TOLERANCE
    {
        tracing::warn!(
            code = "camera_clock_ahead",
            seconds,
            next_step =
                "set the camera's clock; the log has this bound beside the times of its files",
            "the newest file on the camera is dated in the future: its clock is ahead"
        );
    }
    name_files(shared, session, clock)?;
    Ok(fresh)
}

/// Enters all files into the journal; returns how many are new or changed, and the newest one's time.
fn list(
    shared: &Shared,
    session: SessionId,
    camera: &mut dyn Camera,
    (refusals, refused): (&mut Refusals, &mut Vec<RefusedEntry>),
    stop: &dyn Fn() -> bool,
) -> Result<(u64, Option<Timestamp>), IngestError> {
    let mut fresh = 0;
    let mut rows: Vec<InventoryRow> = Vec::with_capacity(CHUNK);
    let mut failed = None;
    let mut stopped = false;
    let mut newest: Option<Timestamp> = None;
    camera.list(&mut |listed| {
        if stop() {
            stopped = true;
            return ControlFlow::Break(());
        }
        match listed {
            CameraEntry::File(facts) => {
                newest = newest.max(facts.modified);
                rows.push(InventoryRow {
                    rank: rank(&facts),
                    facts,
                });
                if rows.len() == CHUNK {
                    match shared.journal.enter_inventory(session, &rows) {
                        Ok(more) => fresh += more,
                        Err(error) => {
                            failed = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                    rows.clear();
                }
            }
            CameraEntry::Refused(entry) => {
                if let Some(entry) = news(refusals, entry) {
                    refused.push(entry);
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if stopped {
        return Err(IngestError::Stopped);
    }
    fresh += shared.journal.enter_inventory(session, &rows)?;
    Ok((fresh, newest))
}

/// The refused entry, if this session has not named it yet; once there are too many, one entry that says so.
fn news(refusals: &mut Refusals, entry: RefusedEntry) -> Option<RefusedEntry> {
    if refusals.contains_key(&entry.name) || refusals.len() > REFUSED_MAX {
        return None;
    }
    let entry = if refusals.len() == REFUSED_MAX {
        RefusedEntry {
            path: None,
            name: String::from("…"),
            size: None,
            code: "more_refused",
            reason: format!(
                "more than {REFUSED_MAX} entries cannot be taken; the others are not named one by one"
            ),
        }
    } else {
        entry
    };
    refusals.insert(entry.name.clone(), (entry.code, entry.reason.clone()));
    Some(entry)
}

/// Order of taking: flagged first, sidecars and small files before bulk; within a rank the journal puts the oldest first.
fn rank(facts: &FileFacts) -> u8 {
    let bulk = facts.kind == ItemKind::Video || facts.size > 64 << 20;
    u8::from(!facts.flagged) * 2 + u8::from(bulk)
}

fn name_refused(
    shared: &Shared,
    session: SessionId,
    refused: &[RefusedEntry],
) -> Result<(), IngestError> {
    let events = refused
        .iter()
        .map(|entry| {
            metrics::file("failed", entry.size.unwrap_or(0));
            tracing::warn!(
                code = entry.code,
                file = entry.name,
                reason = entry.reason,
                next_step = "tell the evidence manager: the custody log names the file and why",
                "not taken"
            );
            Event::ItemFailed(ItemFailed {
                name: entry.path.is_none().then(|| entry.name.clone()),
                path: entry.path.clone(),
                evidence: None,
                size: entry.size,
                code: entry.code.to_owned(),
                reason: entry.reason.clone(),
                retried: false,
            })
        })
        .collect();
    shared.log_events(Some(session), events)?;
    Ok(())
}

/// Logs the files that no `inventory.taken` names yet, page by page.
fn name_files(
    shared: &Shared,
    session: SessionId,
    clock: Option<CameraClock>,
) -> Result<(), IngestError> {
    let total = shared.journal.unlogged_totals(session)?;
    let mut named = 0;
    for page in 1.. {
        let rows = shared.journal.unlogged_inventory(session, 1000)?;
        if rows.is_empty() {
            break;
        }
        let (mut files, mut paths, mut bytes): (Vec<InventoryFile>, Vec<SourcePath>, usize) =
            Default::default();
        for row in rows {
            // A control character takes six bytes in JSON: the worst case.
            bytes += 120 + row.facts.path.as_bytes().len() * 6;
            if bytes > PAGE_BYTES && !files.is_empty() {
                break;
            }
            paths.push(row.facts.path.clone());
            files.push(InventoryFile {
                path: row.facts.path,
                size: row.facts.size,
                modified: row.facts.modified,
            });
        }
        named += files.len() as u64;
        let last = named >= total.files;
        shared.log_event(
            Some(session),
            Event::InventoryTaken(InventoryTaken {
                page,
                last,
                total_files: total.files,
                total_bytes: total.bytes,
                files,
                camera_clock: if last { clock.clone() } else { None },
            }),
        )?;
        reached!("inventory: named");
        shared.journal.mark_inventory_logged(session, &paths)?;
    }
    Ok(())
}
