//! Names the items that a finding about the log affects: people look for footage, not for numbers of entries.

use std::collections::BTreeMap;

use super::LoggedItems;
use crate::audit::{LogFinding, LogSource, VerifierKey, entry_at};
use crate::model::{Entry, EvidenceId};

/// Items named one by one.
const NAMED_MAX: usize = 4;
/// Entries read for one finding: those of one bundle.
const ENTRIES_MAX: u64 = 256;

/// The log that was verified, and its other copy if there is one.
pub struct LogCopies<'a> {
    pub here: &'a dyn LogSource,
    pub size: u64,
    pub other: Option<&'a dyn LogSource>,
}

impl LogCopies<'_> {
    /// A sentence about the items that the finding's entries name; and the item, if it is only one.
    pub fn affected(
        &self,
        finding: &LogFinding,
        key: &VerifierKey,
        items: &LoggedItems,
    ) -> (String, Option<EvidenceId>) {
        let (first, last, gone) = match finding {
            LogFinding::Edited { index } | LogFinding::NotCanonical { index } => {
                (*index, *index, false)
            }
            LogFinding::EditedWithin { first, last } | LogFinding::Reordered { first, last } => {
                (*first, *last, false)
            }
            LogFinding::Removed { first, last } => (*first, *last, true),
            _ => return (String::new(), None),
        };
        let range = first..=last.min(first.saturating_add(ENTRIES_MAX));
        let other = self.other.and_then(|other| {
            let note = String::from_utf8(other.read("checkpoint").ok()??).ok()?;
            let size = key.open(&note).ok()?.size;
            let entries = read(other, size, range.clone());
            (!entries.is_empty()).then_some(entries)
        });
        // If an entry was removed, another one may be in its place.
        let (copy, entries) = match other {
            Some(entries) => ("in the other copy of the log", entries),
            None if gone => return (String::new(), None),
            None => ("as it stands", read(self.here, self.size, range)),
        };
        sentence(copy, &entries, items)
    }
}

fn read(
    source: &dyn LogSource,
    size: u64,
    range: impl Iterator<Item = u64>,
) -> Vec<serde_json::Value> {
    range
        .map_while(|index| entry_at(source, size, index).ok())
        .filter_map(|bytes| serde_json::from_slice(&bytes).ok())
        .collect()
}

fn sentence(
    copy: &str,
    entries: &[serde_json::Value],
    items: &LoggedItems,
) -> (String, Option<EvidenceId>) {
    let mut named: BTreeMap<EvidenceId, String> = BTreeMap::new();
    for entry in entries {
        let Some(id) = entry["data"]["evidence"]
            .as_str()
            .and_then(|id| id.parse().ok())
        else {
            continue;
        };
        // The path from the entry itself, else from the item's sealed entry.
        let own = serde_json::from_value::<crate::model::SourcePath>(entry["data"]["path"].clone());
        let path = own.ok().or_else(|| {
            let sealed = items.sealed.get(&id)?;
            Some(sealed.0.path.clone())
        });
        let name = path.map_or_else(|| id.to_string(), |path| format!("{id} ({path})"));
        named.entry(id).or_insert(name);
    }
    let only = (named.len() == 1)
        .then(|| named.keys().next().copied())
        .flatten();
    let more = named.len().saturating_sub(NAMED_MAX);
    let mut list: Vec<String> = named.into_values().take(NAMED_MAX).collect();
    if more > 0 {
        list.push(format!("{more} more"));
    }
    let words = match (list.is_empty(), entries) {
        (false, _) if only.is_some() => {
            format!(" The entry, {copy}, is about item {}.", list.join(""))
        }
        (false, _) => format!(
            " The entries, {copy}, are about the items {}.",
            list.join(", ")
        ),
        (true, [entry]) => event(entry).map_or_else(String::new, |(event, time)| {
            format!(" The entry, {copy}, is {event} of {time}; it names no item.")
        }),
        (true, _) => String::new(),
    };
    (words, only)
}

fn event(entry: &serde_json::Value) -> Option<(String, jiff::Timestamp)> {
    let time = serde_json::from_value::<Entry>(entry.clone()).ok()?.time;
    Some((entry["event"].as_str()?.to_owned(), time))
}
