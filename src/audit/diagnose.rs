//! Finds which entries are wrong once a log is known not to lead to its signed root.
//!
//! Works from the root down: a tile is believed when the believed tile above it contains its hash.

use std::collections::HashMap;

use super::proof::TileTree;
use super::report::{FINDINGS_MAX, LogFinding, LogReport};
use super::source::{Entries, LogSource, read_hashes, read_tile};
use super::tiles::{TILE_WIDTH, Tile, count_at};
use super::tree::{Hash, fold, leaf_hash};
use super::{AuditError, Checkpoint};

/// Bundles looked for behind a missing one.
const LOOK_AHEAD: u64 = 64;
/// A size is only a number, which costs a hostile station nothing: after this many missing bundles the rest is not looked at.
const MISSING_MAX: u64 = 1024;
/// Nor is it after this many findings, so that there is room to say so.
const FOUND_MAX: u64 = FINDINGS_MAX as u64 - 100;

pub fn diagnose(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    report: &mut LogReport,
) -> Result<(), AuditError> {
    let before = report.findings.len();
    let size = checkpoint.size;
    let edge = present(TileTree::new(source, size).edge())?;
    let mut chain = Chain {
        source,
        size,
        believed: edge.is_some_and(|edge| edge.root() == checkpoint.root.0),
        tiles: HashMap::new(),
    };
    if !chain.believed {
        report.add(LogFinding::TileMismatch {
            key: "One of the unfinished tiles".into(),
        });
    }
    let (mut number, mut missing) = (0, 0);
    let found_before = report.count();
    while let Some(bundle) = Tile::of_size(None, number, size) {
        let first = number * TILE_WIDTH;
        if missing >= MISSING_MAX || report.count() - found_before >= FOUND_MAX {
            report.add(LogFinding::NotSearched {
                first,
                last: size - 1,
            });
            break;
        }
        if check_bundle(&mut chain, bundle, report)? {
            number += 1;
            continue;
        }
        let Some(next) = next_after(source, number, size)? else {
            report.add(LogFinding::Truncated {
                had: size,
                has: first,
            });
            break;
        };
        report.add(LogFinding::Removed {
            first,
            last: next * TILE_WIDTH - 1,
        });
        missing += next - number;
        number = next;
    }
    let named = report.findings[before..].iter();
    let only_tiles = named.clone().all(|f| f.label() == "tile_mismatch");
    if only_tiles && size > 0 {
        // Entries and tiles agree with each other: both were rewritten.
        report.add(LogFinding::EditedWithin {
            first: 0,
            last: size - 1,
        });
    }
    Ok(())
}

fn present<T>(read: Result<T, AuditError>) -> Result<Option<T>, AuditError> {
    match read {
        Ok(there) => Ok(Some(there)),
        Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns `false` if the bundle is missing.
fn check_bundle(
    chain: &mut Chain,
    bundle: Tile,
    report: &mut LogReport,
) -> Result<bool, AuditError> {
    let (first, source) = (bundle.index * TILE_WIDTH, chain.source);
    let last = first + u64::from(bundle.width) - 1;
    let Some(bytes) = present(read_tile(source, bundle))? else {
        return Ok(false);
    };
    let leaves: Vec<Hash> = Entries(&bytes).flatten().map(leaf_hash).collect();
    let tile = Tile {
        level: Some(0),
        ..bundle
    };
    let fits = leaves.len() == usize::from(bundle.width);
    match chain.tile(tile)? {
        TileState::Believed(signed) => differences(first, &signed, &leaves, chain.size, report),
        TileState::Expected(root) if fits && fold(&leaves) == root => {
            report.add(LogFinding::TileMismatch { key: tile.key() });
        }
        TileState::Expected(_) => report.add(LogFinding::EditedWithin { first, last }),
        TileState::Unproven(Some(hashes)) => {
            differences(first, &hashes, &leaves, chain.size, report);
        }
        TileState::Unproven(None) => report.add(LogFinding::TileMismatch { key: tile.key() }),
    }
    Ok(true)
}

/// The bundle at which the search goes on behind a missing one, all between them being missing too; `None` if neither one of
/// the next bundles nor the last one is there.
fn next_after(source: &dyn LogSource, index: u64, size: u64) -> Result<Option<u64>, AuditError> {
    let last = (size - 1) / TILE_WIDTH;
    let there = |later: u64| -> Result<bool, AuditError> {
        let tile = Tile::of_size(None, later, size);
        let read = tile.map(|tile| present(read_tile(source, tile)));
        Ok(read.transpose()?.flatten().is_some())
    };
    let mut next = index + 1;
    while next <= last && next - index <= LOOK_AHEAD {
        if there(next)? {
            return Ok(Some(next));
        }
        next += 1;
    }
    Ok((next <= last && there(last)?).then_some(next))
}

/// Reports how `leaves` differ from what was signed.
fn differences(first: u64, signed: &[Hash], leaves: &[Hash], size: u64, report: &mut LogReport) {
    if signed == leaves {
        return;
    }
    let sorted = |hashes: &[Hash]| {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        hashes
    };
    if sorted(signed) == sorted(leaves) {
        let differs = |(a, b): (&Hash, &Hash)| a != b;
        let from = signed.iter().zip(leaves).position(differs).unwrap_or(0);
        let to = signed.iter().zip(leaves).rposition(differs).unwrap_or(0);
        report.add(LogFinding::Reordered {
            first: first + from as u64,
            last: first + to as u64,
        });
        return;
    }
    let ends_log = first + signed.len() as u64 == size;
    if ends_log && signed.starts_with(leaves) {
        report.add(LogFinding::Truncated {
            had: size,
            has: first + leaves.len() as u64,
        });
        return;
    }
    let (mut at, mut there) = (0, 0);
    while at < signed.len() && there < leaves.len() {
        let index = first + at as u64;
        if signed[at] == leaves[there] {
            (at, there) = (at + 1, there + 1);
        } else if let Some(skipped) = signed[at..].iter().position(|h| *h == leaves[there]) {
            report.add(LogFinding::Removed {
                first: index,
                last: index + skipped as u64 - 1,
            });
            at += skipped;
        } else if let Some(added) = leaves[there..].iter().position(|h| *h == signed[at]) {
            report.add(LogFinding::Added { index });
            there += added;
        } else {
            report.add(LogFinding::Edited { index });
            (at, there) = (at + 1, there + 1);
        }
    }
    let index = first + at as u64;
    if at < signed.len() {
        report.add(LogFinding::Removed {
            first: index,
            last: first + signed.len() as u64 - 1,
        });
    }
    if there < leaves.len() {
        report.add(LogFinding::Added { index });
    }
}

enum TileState {
    /// Follows from the signed root.
    Believed(Vec<Hash>),
    /// The tile is missing or wrong, but this is what it must hash to.
    Expected(Hash),
    /// No tile above it can be believed. Holds the hashes that are there, if any.
    Unproven(Option<Vec<Hash>>),
}

struct Chain<'a> {
    source: &'a dyn LogSource,
    size: u64,
    /// Whether the unfinished tiles lead to the signed root.
    believed: bool,
    /// The last believed tile of each level above 0.
    tiles: HashMap<u8, (u64, Vec<Hash>)>,
}

impl Chain<'_> {
    fn tile(&mut self, tile: Tile) -> Result<TileState, AuditError> {
        let level = tile.level.unwrap_or(0);
        if let Some((index, hashes)) = self.tiles.get(&level)
            && *index == tile.index
        {
            return Ok(TileState::Believed(hashes.clone()));
        }
        let hashes = present(read_hashes(self.source, tile))?;
        let found = if !self.believed {
            TileState::Unproven(hashes)
        } else if tile.is_full() {
            self.under_parent(level, tile, hashes)?
        } else {
            hashes.map_or(TileState::Unproven(None), TileState::Believed)
        };
        if level > 0
            && let TileState::Believed(hashes) = &found
        {
            self.tiles.insert(level, (tile.index, hashes.clone()));
        }
        Ok(found)
    }

    fn under_parent(
        &mut self,
        level: u8,
        tile: Tile,
        hashes: Option<Vec<Hash>>,
    ) -> Result<TileState, AuditError> {
        debug_assert!(count_at(level + 1, self.size) > tile.index);
        let above = Tile::of_size(Some(level + 1), tile.index / TILE_WIDTH, self.size);
        let Some(TileState::Believed(parent)) = above.map(|above| self.tile(above)).transpose()?
        else {
            return Ok(TileState::Unproven(hashes));
        };
        let Some(root) = parent.get((tile.index % TILE_WIDTH) as usize) else {
            return Ok(TileState::Unproven(hashes));
        };
        Ok(match hashes {
            Some(hashes) if fold(&hashes) == *root => TileState::Believed(hashes),
            _ => TileState::Expected(*root),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::model::Sha256Digest;

    /// Answers with the same bytes for each bundle that `there` names, and fails when it is asked too often.
    struct Endless<F> {
        there: F,
        left: Cell<u32>,
    }

    impl<F: Fn(u64) -> bool> LogSource for Endless<F> {
        fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
            let left = self.left.get().checked_sub(1).ok_or(AuditError::Closed)?;
            self.left.set(left);
            let bundle = Tile::parse(key).filter(|tile| tile.level.is_none());
            let there = bundle.is_some_and(|tile| (self.there)(tile.index));
            Ok(there.then(|| b"\0\x02{}".repeat(200)))
        }
    }

    fn findings(size: u64, there: impl Fn(u64) -> bool) -> LogReport {
        let checkpoint = Checkpoint {
            origin: "example.org/leeds-1".into(),
            size,
            root: Sha256Digest([7; 32]),
        };
        let mut report = LogReport {
            size,
            findings: Vec::new(),
            more: 0,
            signed: None,
        };
        let source = Endless {
            there,
            left: Cell::new(20_000),
        };
        diagnose(&source, &checkpoint, &mut report).unwrap();
        report
    }

    #[test]
    fn a_size_that_was_only_signed_is_not_walked() {
        let size = 1 << 40;
        let last = (size - 1) / TILE_WIDTH;
        // The first bundle and the last, with nothing between them.
        let report = findings(size, |index| index == 0 || index == last);
        let removed = |f: &&LogFinding| matches!(f, LogFinding::Removed { .. });
        let removed: Vec<_> = report.findings.iter().filter(removed).collect();
        assert_eq!(
            removed[0],
            &LogFinding::Removed {
                first: 256,
                last: 66 * 256 - 1
            }
        );
        let searched = match removed.last() {
            Some(LogFinding::Removed { last, .. }) => last + 1,
            other => panic!("{other:?}"),
        };
        assert!(searched >= MISSING_MAX * TILE_WIDTH, "{searched}");
        let rest = LogFinding::NotSearched {
            first: searched,
            last: size - 1,
        };
        assert_eq!(report.findings.last(), Some(&rest));
        // Every other one, and all of them wrong.
        for step in [2, 1] {
            let report = findings(size, |index| index % step == 0);
            let last = report.findings.last();
            assert!(
                matches!(last, Some(LogFinding::NotSearched { .. })),
                "{last:?}"
            );
        }
    }

    #[test]
    fn missing_bundles_in_a_row_are_one_finding() {
        let report = findings(256 * 10, |index| !(3..7).contains(&index));
        let gone = LogFinding::Removed {
            first: 3 * 256,
            last: 7 * 256 - 1,
        };
        let removed = |f: &&LogFinding| matches!(f, LogFinding::Removed { .. });
        assert_eq!(
            report.findings.iter().filter(removed).collect::<Vec<_>>(),
            [&gone]
        );
        let ends = findings(256 * 10, |index| index < 3);
        let cut = LogFinding::Truncated {
            had: 2560,
            has: 768,
        };
        assert_eq!(ends.findings.last(), Some(&cut));
    }
}
