//! What an item's custody ends with, where camdock.toml believes an office: that it was deleted by rule, or how store and logs contradict
//! each other about that.

use std::io::Write;

use super::evidence_of;
use crate::cli::bucket::Bucket;
use crate::cli::verify::{Deletions, ReportedDisposal, ReportedFinding, still_there};
use crate::config::Config;
use crate::model::{Entry, Event, EvidenceId, Part, PreviewOutcome, codes};

const MISSING: &str = "object_missing";

/// Tells it; `true` if something is wrong. `kept` are the entries about the item, of its verified log.
pub(super) fn tell(
    config: &Config,
    id: EvidenceId,
    kept: &[(u64, Entry)],
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    if config.offices.is_empty() {
        return Ok(false);
    }
    let own = kept.iter().map(|(_, entry)| entry);
    let own = own.filter(|entry| evidence_of(&entry.event) == Some(id));
    let mut sealed = None;
    let mut recorded = Vec::new();
    for entry in own {
        match &entry.event {
            Event::ItemSealed(_) => sealed = sealed.or(Some(entry.time)),
            Event::ItemStored(e) => recorded.push((e.key.clone(), e.version_id.clone())),
            Event::ItemPreviewed(e) => {
                if let PreviewOutcome::Made(made) = &e.outcome {
                    recorded.push((made.key.clone(), made.version_id.clone()));
                }
            }
            _ => {}
        }
    }
    let deletions = Deletions::read(config, |item| sealed.filter(|_| item == id));
    let unread = deletions.unread.is_some();
    if let Some(unread) = deletions.unread {
        writeln!(out, "NOT LOOKED AT {unread}\n")?;
    }
    let of_it = |finding: &ReportedFinding| finding.evidence.is_none_or(|evidence| evidence == id);
    let mut wrong: Vec<_> = deletions.findings.into_iter().filter(of_it).collect();
    let disposal = deletions.believed.get(&id);
    if let Some(disposal) = disposal {
        let told = ReportedDisposal::of(disposal).told;
        writeln!(out, "It was {told}.\n")?;
    }
    match contradiction(config, id, &recorded, disposal.is_some()) {
        // What is gone may be gone by an act that could not be read.
        Ok(found) => wrong.extend(found.filter(|found| !unread || found.code != MISSING)),
        Err(error) => writeln!(out, "The store could not be asked for it: {error:#}.\n")?,
    }
    for finding in &wrong {
        writeln!(out, "WRONG {finding}\n")?;
    }
    Ok(!wrong.is_empty())
}

/// Gone without an act, or an act without its objects gone.
fn contradiction(
    config: &Config,
    id: EvidenceId,
    recorded: &[(String, Option<String>)],
    disposed: bool,
) -> anyhow::Result<Option<ReportedFinding>> {
    if recorded.is_empty() {
        return Ok(None);
    }
    let bucket = Bucket::open(config)?;
    let item_key = (bucket.layout().object(id, Part::ItemKey), None);
    let (mut left, mut missing) = (Vec::new(), Vec::new());
    for (key, version) in recorded.iter().chain([&item_key]) {
        let newest = bucket.head(key, None)?.is_some();
        let there = newest || version.is_some() && bucket.head(key, version.as_deref())?.is_some();
        let list = if there { &mut left } else { &mut missing };
        list.push(key.clone());
    }
    let name = format!("item {id}");
    // An item may have no item key of its own; its footage is what the log calls stored.
    missing.retain(|key| *key != item_key.0);
    let (code, what) = match disposed {
        true if !left.is_empty() => still_there(&name, &left),
        false if !missing.is_empty() => (
            MISSING,
            format!(
                "{name} is stored according to the log, no act that counts says that it was deleted by rule, and the store does not have {}",
                missing.join(", ")
            ),
        ),
        _ => return Ok(None),
    };
    Ok(Some(ReportedFinding {
        code: code.into(),
        evidence: Some(id),
        what,
        next_step: codes::find(code).map_or("", |code| code.next_step).into(),
    }))
}
