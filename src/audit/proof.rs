//! Inclusion and consistency proofs out of a log's tiles (RFC 6962, 2.1.1 and 2.1.2).

use std::cell::RefCell;
use std::collections::HashMap;

use super::AuditError;
use super::source::{LogSource, read_hashes};
use super::tiles::{LEVELS, TILE_WIDTH, Tile, count_at};
use super::tree::{Edge, Hash, fold, node_hash};

/// The hash tree of a log of `size` entries. Reads each tile once; trusts none of them.
pub struct TileTree<'a> {
    source: &'a dyn LogSource,
    size: u64,
    tiles: RefCell<HashMap<(u8, u64), Vec<Hash>>>,
}

impl<'a> TileTree<'a> {
    pub fn new(source: &'a dyn LogSource, size: u64) -> Self {
        Self {
            source,
            size,
            tiles: RefCell::default(),
        }
    }

    /// The hash over the 2^`height` leaves from `index`·2^`height`, all of which the log must have.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "heights are below 64, places in a tile below 256"
    )]
    fn node(&self, height: u32, index: u64) -> Result<Hash, AuditError> {
        let level = (height / 8) as u8;
        let first = index << (height % 8);
        let at = (first % TILE_WIDTH) as usize;
        let number = first / TILE_WIDTH;
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry((level, number)) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let tile = Tile::of_size(Some(level), number, self.size).ok_or(
                    AuditError::OutOfRange {
                        index: first,
                        size: self.size,
                    },
                )?;
                free.insert(read_hashes(self.source, tile)?)
            }
        };
        hashes
            .get(at..at + (1 << (height % 8)))
            .map(fold)
            .ok_or(AuditError::OutOfRange {
                index: first,
                size: self.size,
            })
    }

    /// The hash over the leaves `from..to`; `from` is a multiple of the largest power of two in the range.
    fn range(&self, from: u64, to: u64) -> Result<Hash, AuditError> {
        let width = to - from;
        if width.is_power_of_two() {
            let height = width.trailing_zeros();
            return self.node(height, from >> height);
        }
        let middle = from + split(width);
        Ok(node_hash(
            &self.range(from, middle)?,
            &self.range(middle, to)?,
        ))
    }

    /// The root that the log had at `size` entries, which is at least 1 and at most its size.
    pub fn root_of_first(&self, size: u64) -> Result<Hash, AuditError> {
        if size == 0 || size > self.size {
            return Err(AuditError::OutOfRange {
                index: size,
                size: self.size,
            });
        }
        self.range(0, size)
    }

    /// Sibling hashes from the leaf up to the root.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, AuditError> {
        if index >= self.size {
            return Err(AuditError::OutOfRange {
                index,
                size: self.size,
            });
        }
        let (mut from, mut to) = (0, self.size);
        let mut path = Vec::new();
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(self.range(middle, to)?);
                to = middle;
            } else {
                path.push(self.range(from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// Proves that the log of `old` entries is the beginning of this one.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, AuditError> {
        if old > self.size {
            return Err(AuditError::OutOfRange {
                index: old,
                size: self.size,
            });
        }
        let mut proof = Vec::new();
        if old == 0 || old == self.size {
            return Ok(proof);
        }
        let (mut from, mut to) = (0, self.size);
        while old != to {
            let middle = from + split(to - from);
            if old <= middle {
                proof.push(self.range(middle, to)?);
                to = middle;
            } else {
                proof.push(self.range(from, middle)?);
                from = middle;
            }
        }
        // The last range is the old tree's own tail. When that is the whole old tree, the verifier knows it already.
        if from > 0 {
            proof.push(self.range(from, to)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The unfinished tiles, O(log n) files.
    pub fn edge(&self) -> Result<Edge, AuditError> {
        let mut rows: [Vec<Hash>; LEVELS as usize] = Default::default();
        for (level, row) in (0..LEVELS).zip(&mut rows) {
            let count = count_at(level, self.size);
            if !count.is_multiple_of(TILE_WIDTH)
                && let Some(tile) = Tile::of_size(Some(level), count / TILE_WIDTH, self.size)
            {
                *row = read_hashes(self.source, tile)?;
            }
        }
        Edge::from_rows(self.size, rows).ok_or_else(|| AuditError::Corrupt {
            what: "its unfinished tiles do not fit its size".into(),
        })
    }
}

/// The largest power of two below `width` (> 1).
const fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod tests {
    use super::*;
    use crate::audit::tree::{consistency_holds, empty_root, inclusion_holds, leaf_hash};
    use proptest::prelude::*;

    /// All files that ever existed, at every size.
    #[derive(Default)]
    struct TilesInMemory(HashMap<String, Vec<u8>>, Edge);

    impl TilesInMemory {
        fn grow(&mut self, to: u64) {
            while self.1.size() < to {
                let leaf = leaf_hash(&self.1.size().to_be_bytes());
                let files = &mut self.0;
                self.1.push(leaf, &mut |tile, hashes| {
                    files.insert(tile.key(), hashes.concat());
                });
            }
            for (tile, hashes) in self.1.partials() {
                self.0.insert(tile.key(), hashes.concat());
            }
        }
    }

    impl LogSource for TilesInMemory {
        fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
            Ok(self.0.get(key).cloned())
        }
    }

    /// The definition in RFC 6962, 2.1, word by word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn check(old: u64, size: u64, index: u64) {
        let mut memory = TilesInMemory::default();
        memory.grow(old);
        let old_root = memory.1.root();
        memory.grow(size);
        let all = leaves(size);
        let root = naive(&all);
        assert_eq!(old_root, naive(&all[..old as usize]));
        assert_eq!(memory.1.root(), root);
        let tree = TileTree::new(&memory, size);
        assert_eq!(tree.edge().unwrap(), memory.1);
        let proof = tree.inclusion(index).unwrap();
        let leaf = all[index as usize];
        assert!(inclusion_holds(index, size, leaf, &proof, &root));
        assert!(!inclusion_holds(index, size, [7; 32], &proof, &root));
        assert!(!inclusion_holds(index ^ 1, size, leaf, &proof, &root) || size == 1);
        let proof = tree.consistency(old).unwrap();
        assert!(consistency_holds((old, &old_root), (size, &root), &proof));
        if old < size && old > 0 {
            assert!(!consistency_holds((old, &[7; 32]), (size, &root), &proof));
            assert!(!consistency_holds(
                (old, &old_root),
                (size, &old_root),
                &proof
            ));
        }
        assert!(tree.inclusion(size).is_err() && tree.consistency(size + 1).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn roots_and_proofs_out_of_tiles_are_those_of_the_definition(
            size in 1u64..1500, old in 0.0f64..=1.0, index in 0.0f64..1.0,
        ) {
            let part = |f: f64, n: u64| (f * n as f64) as u64;
            check(part(old, size), size, part(index, size));
        }
    }

    #[test]
    fn roots_and_proofs_hold_where_tiles_fill_up() {
        for size in [
            1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_049,
        ] {
            for old in [0, 1, 256, 65_536, size - 1, size] {
                check(old.min(size), size, (size - 1).min(300));
            }
        }
    }

    #[test]
    fn a_consistency_proof_is_the_shortest_of_the_definition() {
        // RFC 6962, 2.1.3: the example of seven leaves.
        let mut memory = TilesInMemory::default();
        memory.grow(7);
        let tree = TileTree::new(&memory, 7);
        let lengths = [3, 4, 6].map(|old| tree.consistency(old).unwrap().len());
        assert_eq!(lengths, [4, 1, 3]);
    }
}
