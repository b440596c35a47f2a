//! Signed checkpoints that were found outside the log. The station cannot take them back, so each must be a beginning of
//! the log, and no two of one size may differ.

use std::collections::{BTreeMap, BTreeSet};

use super::report::LogFinding;
use super::source::{LogSource, read_hashes};
use super::tiles::{TILE_WIDTH, Tile};
use super::tree::{Edge, Hash, fold};
use super::{AuditError, Checkpoint, VerifierKey};

/// A checkpoint that the log's key signed, and a name for people of the place where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub checkpoint: Checkpoint,
    pub place: String,
}

/// Compares the log of `size` entries with `anchors`. Of those that the log contradicts in the same way, one is named: the longest
/// that is cut off, and the shortest that differs.
///
/// An error means that the tiles could not be read or are not there; what was found before stays in `found`.
pub fn check_anchors(
    source: &dyn LogSource,
    size: u64,
    anchors: &[Anchor],
    found: &mut Vec<LogFinding>,
) -> Result<(), AuditError> {
    let mut by_size: BTreeMap<u64, &Anchor> = BTreeMap::new();
    for anchor in anchors {
        let first = *by_size.entry(anchor.checkpoint.size).or_insert(anchor);
        if first.checkpoint.root != anchor.checkpoint.root {
            found.push(LogFinding::SignedTwice {
                size: anchor.checkpoint.size,
                one: first.place.clone(),
                other: anchor.place.clone(),
            });
        }
    }
    if let Some((had, longest)) = by_size.last_key_value().filter(|(had, _)| **had > size) {
        found.push(LogFinding::CutOff {
            had: *had,
            has: size,
            place: longest.place.clone(),
        });
    }
    let wanted: BTreeSet<u64> = by_size.range(..=size).map(|(size, _)| *size).collect();
    let roots = roots_at(source, size, &wanted)?;
    let differs = |anchor: &&Anchor| {
        let root = roots.get(&anchor.checkpoint.size);
        root.is_some_and(|root| *root != anchor.checkpoint.root.0)
    };
    if let Some(first) = by_size.values().copied().find(differs) {
        let size = first.checkpoint.size;
        let good = by_size
            .range(..size)
            .next_back()
            .map_or(0, |(good, _)| *good);
        found.push(LogFinding::Rewritten {
            first: good,
            last: size - 1,
            place: first.place.clone(),
        });
    }
    Ok(())
}

/// The log's root at each of these sizes, in one pass over its lowest tiles.
fn roots_at(
    source: &dyn LogSource,
    size: u64,
    wanted: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Hash>, AuditError> {
    let mut roots = BTreeMap::new();
    let mut edge = Edge::default();
    if wanted.contains(&0) {
        roots.insert(0, edge.root());
    }
    let last = wanted.last().copied().unwrap_or(0);
    while edge.size() < last {
        let number = edge.size() / TILE_WIDTH;
        let Some(tile) = Tile::of_size(Some(0), number, size) else {
            break;
        };
        let leaves = read_hashes(source, tile)?;
        let end = edge.size() + leaves.len() as u64;
        let within = wanted.range(edge.size() + 1..=end).any(|size| *size < end);
        if tile.is_full() && !within {
            edge.push_tile(&leaves, fold(&leaves), &mut |_, _| {});
            if wanted.contains(&end) {
                roots.insert(end, edge.root());
            }
            continue;
        }
        for leaf in leaves {
            edge.push(leaf, &mut |_, _| {});
            if wanted.contains(&edge.size()) {
                roots.insert(edge.size(), edge.root());
            }
        }
    }
    Ok(roots)
}

/// Every checkpoint in `text`, such as a receipt, that `key` signed.
pub fn signed_checkpoints(text: &str, key: &VerifierKey) -> Vec<Checkpoint> {
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let notes = blocks.windows(2).filter_map(|pair| {
        // Another block may follow the signatures at once.
        let signatures: String = pair[1]
            .lines()
            .take_while(|line| line.starts_with('\u{2014}'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let body = pair[0].trim_start_matches('\n');
        key.open(&format!("{body}\n\n{signatures}")).ok()
    });
    notes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{DirSource, Log, LogKey};

    const ORIGIN: &str = "example.org/station";

    /// A log of the given entries, and its anchor at every size.
    fn log(dir: &std::path::Path, pkcs8: &[u8], entries: &[String]) -> Vec<Anchor> {
        let key = LogKey::from_pkcs8(pkcs8).unwrap();
        let mut log = Log::open(dir, key, ORIGIN).unwrap();
        let anchors = entries.iter().map(|entry| {
            log.append(&[entry.clone().into_bytes()]).unwrap();
            Anchor {
                checkpoint: log.checkpoint().clone(),
                place: format!("checkpoints/{}", log.size()),
            }
        });
        let anchors = anchors.collect();
        log.close().unwrap();
        anchors
    }

    fn compared(source: &dyn LogSource, size: u64, anchors: &[Anchor]) -> Vec<LogFinding> {
        let mut found = Vec::new();
        check_anchors(source, size, anchors, &mut found).unwrap();
        found
    }

    #[test]
    fn what_the_checkpoints_say_of_each_other_is_found_without_any_tile() {
        let dir = tempfile::tempdir().unwrap();
        let (_, key) = LogKey::generate().unwrap();
        let entries: Vec<String> = (0..20).map(|n| format!("{{\"n\":{n}}}")).collect();
        let mut anchors = log(&dir.path().join("one"), &key, &entries);
        anchors.extend(log(&dir.path().join("other"), &key, &entries[1..15]));
        let empty = DirSource::new(dir.path().join("empty"));
        let mut found = Vec::new();
        let error = check_anchors(&empty, 10, &anchors, &mut found).unwrap_err();
        assert!(matches!(error, AuditError::Missing { .. }), "{error}");
        let labels: BTreeSet<_> = found.iter().map(LogFinding::label).collect();
        assert_eq!(labels, BTreeSet::from(["fork", "truncated"]), "{found:?}");
    }

    #[test]
    fn an_anchor_of_every_size_holds_and_each_rewriting_is_placed() {
        let dir = tempfile::tempdir().unwrap();
        let (_, key) = LogKey::generate().unwrap();
        let entries: Vec<String> = (0..700).map(|n| format!("{{\"n\":{n}}}")).collect();
        let good = log(&dir.path().join("good"), &key, &entries);
        let source = DirSource::new(dir.path().join("good"));
        assert_eq!(compared(&source, 700, &good), []);
        for at in [0, 255, 256, 511, 600] {
            let name = dir.path().join(format!("edited-{at}"));
            let mut edited = entries.clone();
            edited[at] = "{}".into();
            let theirs = log(&name, &key, &edited);
            let few: Vec<Anchor> = good.iter().step_by(50).cloned().collect();
            let found = compared(&DirSource::new(&name), 700, &few);
            let [LogFinding::Rewritten { first, last, .. }] = &found[..] else {
                panic!("{at}: {found:?}");
            };
            assert!((*first..=*last).contains(&(at as u64)), "{at}: {found:?}");
            let both = [good[at].clone(), theirs[at].clone()];
            let found = compared(&source, 700, &both);
            assert!(matches!(&found[0], LogFinding::SignedTwice { .. }));
        }
        let name = dir.path().join("cut");
        log(&name, &key, &entries[..400]);
        let found = compared(&DirSource::new(&name), 400, &good);
        let [LogFinding::CutOff { had, has, .. }] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((*had, *has), (700, 400));
    }

    #[test]
    fn only_the_keys_own_checkpoints_are_found_in_a_text() {
        let (key, _) = LogKey::generate().unwrap();
        let verifier = key.verifier(ORIGIN).unwrap();
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: 7,
            root: crate::model::Sha256Digest([1; 32]),
        };
        let note = key.sign(&checkpoint).unwrap();
        let receipt = format!("c2sp.org/tlog-proof@v1\nindex 3\n\n{note}");
        assert_eq!(
            signed_checkpoints(&receipt, &verifier),
            std::slice::from_ref(&checkpoint)
        );
        let twice = format!("{receipt}\n{receipt}");
        assert_eq!(signed_checkpoints(&twice, &verifier).len(), 2);
        let (other, _) = LogKey::generate().unwrap();
        let foreign = other.sign(&checkpoint).unwrap();
        assert!(signed_checkpoints(&foreign, &verifier).is_empty());
        assert!(signed_checkpoints("nothing\n\nat all", &verifier).is_empty());
    }
}
