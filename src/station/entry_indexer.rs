//! Follows the custody log and indexes which entries mention which item and session, for the evidence page.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;

use crate::audit::LogHandle;
use crate::journal::{EntryIndex, Mention};
use crate::model::{EvidenceId, Explain as _, SessionId};

const RETRY: Duration = Duration::from_secs(30);

/// The fields of an entry that are indexed.
#[derive(Deserialize)]
struct IndexedEntry {
    event: String,
    #[serde(default)]
    session: Option<SessionId>,
    data: IndexedData,
}

#[derive(Deserialize)]
struct IndexedData {
    #[serde(default)]
    evidence: Option<EvidenceId>,
    /// The files of `camera.wiped`. Those of an inventory have no id yet.
    #[serde(default)]
    files: Vec<IndexedFile>,
}

#[derive(Deserialize)]
struct IndexedFile {
    #[serde(default)]
    evidence: Option<EvidenceId>,
}

/// Runs until `stop` is true.
pub async fn run(log: LogHandle, index: Arc<EntryIndex>, mut stop: watch::Receiver<bool>) {
    let mut size = log.watch();
    while !*stop.borrow() {
        size.mark_unchanged();
        match tokio::task::block_in_place(|| step(&log, &index)) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(
                    code = "timelines_behind",
                    next_step = "nothing is lost, and the index is tried again; `camdock show` has the whole custody. Check the disk if it lasts",
                    error = format!("{error:#}"),
                    "custody timelines lag behind the log"
                );
                tokio::select! { () = tokio::time::sleep(RETRY) => {}, _ = stop.changed() => {} }
                continue;
            }
        }
        tokio::select! {
            changed = size.changed() => if changed.is_err() { return },
            _ = stop.changed() => {}
        }
    }
}

/// Indexes one file of entries; `false` when there is nothing new.
fn step(log: &LogHandle, index: &EntryIndex) -> anyhow::Result<bool> {
    let mut from = index.upto()?;
    if from > *log.watch().borrow() {
        index.clear()?;
        from = 0;
    }
    let entries = log.entries_from(from)?;
    if entries.is_empty() {
        return Ok(false);
    }
    let mention = |id: &[u8; 16], entry| Mention { id: *id, entry };
    let mut mentions = Vec::new();
    for (at, bytes) in (from..).zip(&entries) {
        let Ok(entry) = serde_json::from_slice::<IndexedEntry>(bytes) else {
            continue;
        };
        let files = entry.data.files.iter().filter_map(|file| file.evidence);
        mentions.extend(
            files
                .chain(entry.data.evidence)
                .map(|id| mention(id.as_bytes(), at)),
        );
        if matches!(
            entry.event.as_str(),
            "camera.docked" | "camera.undocked" | "session.ended"
        ) {
            mentions.extend(entry.session.map(|id| mention(id.as_bytes(), at)));
        }
    }
    index.add(&mentions, from + entries.len() as u64)?;
    Ok(true)
}

/// Opens the index; without it the pages show no custody timelines.
pub fn open(path: &std::path::Path) -> Option<Arc<EntryIndex>> {
    EntryIndex::open(path)
        .inspect_err(|error| {
            tracing::error!(code = error.label(), %error, next_step = error.next_step(), "no custody timelines on the evidence page");
        })
        .ok()
        .map(Arc::new)
}
