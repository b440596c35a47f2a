//! Follows the custody log and notes which entries speak of which item and session, for the evidence page.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;

use crate::audit::LogHandle;
use crate::journal::{EntryIndex, Mention};
use crate::model::{EvidenceId, Explain as _, SessionId};

const AGAIN: Duration = Duration::from_secs(30);

/// As little of an entry as is needed.
#[derive(Deserialize)]
struct Light {
    event: String,
    #[serde(default)]
    session: Option<SessionId>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    evidence: Option<EvidenceId>,
    /// Of `camera.wiped`; those of an inventory have no id yet.
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    evidence: Option<EvidenceId>,
}

/// Runs until told to stop.
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
                    next_step = "nothing is lost, and it is tried again; `camdock show` has the whole. Check the disk if it lasts",
                    error = format!("{error:#}"),
                    "custody timelines lag behind the log"
                );
                tokio::select! { () = tokio::time::sleep(AGAIN) => {}, _ = stop.changed() => {} }
                continue;
            }
        }
        tokio::select! {
            changed = size.changed() => if changed.is_err() { return },
            _ = stop.changed() => {}
        }
    }
}

/// Looks at one file of entries; `false` when there is nothing new.
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
        let Ok(entry) = serde_json::from_slice::<Light>(bytes) else {
            continue;
        };
        let files = entry.data.files.iter().filter_map(|file| file.evidence);
        mentions.extend(
            files
                .chain(entry.data.evidence)
                .map(|id| mention(id.as_bytes(), at)),
        );
        if matches!(entry.event.as_str(), "camera.docked" | "camera.undocked") {
            mentions.extend(entry.session.map(|id| mention(id.as_bytes(), at)));
        }
    }
    index.add(&mentions, from + entries.len() as u64)?;
    Ok(true)
}

/// Opens the index; the pages do without it when that fails.
pub fn open(path: &std::path::Path) -> Option<Arc<EntryIndex>> {
    EntryIndex::open(path)
        .inspect_err(|error| {
            tracing::error!(code = error.label(), %error, next_step = error.next_step(), "no custody timelines on the evidence page");
        })
        .ok()
        .map(Arc::new)
}
