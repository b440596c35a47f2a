//! Finds which entries are wrong once a log is known not to lead to its signed root.
//!
//! Works from the root down: a tile is believed when the believed tile above it contains its hash.

use std::collections::HashMap;

use super::proof::TileTree;
use super::report::{LogFinding, LogReport};
use super::source::{Entries, LogSource, read_hashes, read_tile};
use super::tiles::{TILE_WIDTH, Tile, count_at};
use super::tree::{Hash, fold, leaf_hash};
use super::{AuditError, Checkpoint};

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
    let mut number = 0;
    while let Some(bundle) = Tile::of_size(None, number, size) {
        if !check_bundle(&mut chain, bundle, report)? {
            break;
        }
        number += 1;
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

/// Returns `false` when no bundle follows.
fn check_bundle(
    chain: &mut Chain,
    bundle: Tile,
    report: &mut LogReport,
) -> Result<bool, AuditError> {
    let (first, source) = (bundle.index * TILE_WIDTH, chain.source);
    let last = first + u64::from(bundle.width) - 1;
    let Some(bytes) = present(read_tile(source, bundle))? else {
        let finding = if anything_after(source, bundle.index, chain.size)? {
            LogFinding::Removed { first, last }
        } else {
            LogFinding::Truncated {
                had: chain.size,
                has: first,
            }
        };
        let goes_on = matches!(finding, LogFinding::Removed { .. });
        report.add(finding);
        return Ok(goes_on);
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

/// Whether one of the next bundles or the last one is there.
fn anything_after(source: &dyn LogSource, index: u64, size: u64) -> Result<bool, AuditError> {
    let last = (size - 1) / TILE_WIDTH;
    for later in (index + 1..=last)
        .take(64)
        .chain((last > index).then_some(last))
    {
        if let Some(tile) = Tile::of_size(None, later, size)
            && present(read_tile(source, tile))?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
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
