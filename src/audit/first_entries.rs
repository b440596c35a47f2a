//! Holds on to the first sealing, storing and preview of each item. A log only grows: whoever takes a station over can append
//! a second one that fits other objects, but cannot take the first back, so the first is the one that counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::fmt;

use crate::model::{
    Event, EvidenceId, ItemPreviewed, ItemStored, PreviewMade, PreviewOutcome, Sha256Digest,
};

/// Items beyond this number are counted but not listed.
const LISTED_MAX: usize = 100;

/// An entry about an item that contradicts an earlier one of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTwice {
    pub evidence: EvidenceId,
    /// `item.sealed`, `item.stored`, or the part that was previewed.
    kind: &'static str,
    first: u64,
    again: u64,
}

impl ItemTwice {
    /// A problem code.
    pub const CODE: &str = "item_twice";
    pub const NEXT_STEP: &str = "Keep the log and the bucket as they are, and call the evidence manager: somebody else wrote with this station's keys.";
}

impl fmt::Display for ItemTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            evidence,
            kind,
            first,
            again,
        } = self;
        write!(
            f,
            "the log enters item {evidence} twice ({kind}), and differently: in entry {first} and in entry {again}; only the first counts here"
        )
    }
}

/// Looks at each entry in the log's order.
#[derive(Debug, Default)]
pub struct FirstEntries {
    seen: HashMap<(EvidenceId, &'static str), (u64, Sha256Digest)>,
    twice: Vec<ItemTwice>,
    more: u64,
}

impl FirstEntries {
    /// Whether this entry counts: it contradicts no earlier one.
    pub fn see(&mut self, index: u64, event: &Event) -> bool {
        let Some((evidence, kind, said)) = said(event) else {
            return true;
        };
        let (first, before) = match self.seen.entry((evidence, kind)) {
            Place::Vacant(place) => {
                place.insert((index, said));
                return true;
            }
            Place::Occupied(place) => *place.get(),
        };
        if before == said {
            return true;
        }
        if self.twice.len() < LISTED_MAX {
            self.twice.push(ItemTwice {
                evidence,
                kind,
                first,
                again: index,
            });
        } else {
            self.more += 1;
        }
        false
    }

    pub fn twice(&self) -> &[ItemTwice] {
        &self.twice
    }

    /// How many more there are than those listed.
    pub const fn more(&self) -> u64 {
        self.more
    }
}

/// What the entry says of which object. Its lock, and how the store confirmed it, are no part of that.
fn said(event: &Event) -> Option<(EvidenceId, &'static str, Sha256Digest)> {
    let digest = |said: &dyn fmt::Debug| Sha256Digest::of(format!("{said:?}").as_bytes());
    match event {
        Event::ItemSealed(sealed) => Some((sealed.evidence, event.name(), digest(sealed))),
        Event::ItemStored(stored) => {
            let ItemStored {
                evidence,
                bucket,
                key,
                version_id,
                size,
                part_size,
                checksum,
                confirmed_by: _,
                retention: _,
                unverified,
            } = stored;
            let said = (
                (bucket, key, version_id),
                (size, part_size, checksum, unverified),
            );
            Some((*evidence, event.name(), digest(&said)))
        }
        Event::ItemPreviewed(ItemPreviewed {
            evidence,
            part,
            outcome: PreviewOutcome::Made(made),
            ..
        }) => {
            let PreviewMade {
                sha256,
                size,
                sealed_size,
                bucket,
                key,
                version_id,
                part_size,
                checksum,
                confirmed_by: _,
                retention: _,
                picture: _,
            } = &**made;
            let said = (
                (bucket, key, version_id),
                (sha256, size, sealed_size, part_size, checksum),
            );
            Some((*evidence, part.as_str(), digest(&said)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Entry;
    use serde_json::{Value, json};

    const ONE: &str = "0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9be1";

    fn event(name: &str, data: &Value) -> Event {
        let time = "2026-03-01T08:00:00Z";
        let entry =
            json!({"v": 1, "time": time, "station": "leeds-1", "event": name, "data": data});
        serde_json::from_value::<Entry>(entry).unwrap().event
    }

    #[test]
    fn a_second_entry_counts_only_if_it_says_the_same_of_the_object() {
        let sealed = json!({"evidence": ONE, "path": "A.MP4", "size": 1, "kind": "video", "flagged": false,
            "sha256": "00".repeat(32), "sealed_size": 100, "frame_length": 4096, "message_id": "00", "bay": "bay-1"});
        let stored = json!({"evidence": ONE, "bucket": "b", "key": "k", "version_id": "1", "size": 100, "checksum": "x"});
        let preview = json!({"evidence": ONE, "part": "preview", "outcome": "made", "sha256": "00".repeat(32), "size": 1,
            "sealed_size": 9, "bucket": "b", "key": "p", "checksum": "y", "width": 1, "height": 1, "duration_ms": 1,
            "settings": {}, "decode_errors": 0});
        let mut first = FirstEntries::default();
        let changes = [
            ("item.sealed", &sealed, "sha256", json!("11".repeat(32))),
            ("item.stored", &stored, "version_id", json!("2")),
            ("item.stored", &stored, "checksum", json!("z")),
            ("item.previewed", &preview, "checksum", json!("z")),
        ];
        for (name, data, ..) in &changes {
            assert!(first.see(0, &event(name, data)), "{name}");
        }
        // The lock may have been told anew.
        let mut again = stored.clone();
        again["retention"] = json!({"mode": "COMPLIANCE", "until": "2030-01-01T00:00:00Z"});
        assert!(first.see(1, &event("item.stored", &again)));
        assert_eq!(first.twice(), []);
        for (name, data, field, other) in &changes {
            let mut other_data = (*data).clone();
            other_data[*field] = other.clone();
            assert!(!first.see(9, &event(name, &other_data)), "{name} {field}");
        }
        assert_eq!(first.twice().len(), changes.len());
        let said = first.twice()[0].to_string();
        assert!(said.contains("entry 0 and in entry 9"), "{said}");
    }
}
