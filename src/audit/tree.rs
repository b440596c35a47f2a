//! RFC 6962 hashing: leaves, nodes, the right edge of a growing tree, and what a proof must add up to.

use sha2::{Digest as _, Sha256};

use super::tiles::{FULL, LEVELS, TILE_WIDTH, Tile, count_at};

pub type Hash = [u8; 32];
pub const HASH: usize = 32;

pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(entry);
    hash.finalize().into()
}

pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [1; 1 + 2 * HASH];
    block[1..=HASH].copy_from_slice(left);
    block[1 + HASH..].copy_from_slice(right);
    Sha256::digest(block).into()
}

/// The root of an empty log.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over a power of two of hashes; `hashes` must not be empty.
pub fn fold(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| node_hash(&pair[0], &pair[1]))
            .collect();
    }
    row[0]
}

/// The unfinished tile of each level, which is all that appending and computing the root need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    rows: [Vec<Hash>; LEVELS as usize],
}

impl Edge {
    /// From the hashes of each level's unfinished tile; `None` if their numbers are not those of `size`.
    pub fn from_rows(size: u64, rows: [Vec<Hash>; LEVELS as usize]) -> Option<Self> {
        let fits = (0..LEVELS).all(|level| {
            rows[usize::from(level)].len() as u64 == count_at(level, size) % TILE_WIDTH
        });
        fits.then_some(Self { size, rows })
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The leaves of the unfinished tile.
    pub fn leaves(&self) -> &[Hash] {
        &self.rows[0]
    }

    /// Adds a leaf; every tile that it completes is handed to `full` with its hashes.
    pub fn push(&mut self, leaf: Hash, full: &mut dyn FnMut(Tile, &[Hash])) {
        let position = self.size;
        self.size += 1;
        self.carry(0, leaf, position, full);
    }

    /// Adds the leaves of a whole tile, whose root is `root`; only where a tile begins.
    pub fn push_tile(&mut self, leaves: &[Hash], root: Hash, full: &mut dyn FnMut(Tile, &[Hash])) {
        debug_assert!(leaves.len() as u64 == TILE_WIDTH && self.rows[0].is_empty());
        let position = self.size;
        self.size += TILE_WIDTH;
        let tile = Tile {
            level: Some(0),
            index: position / TILE_WIDTH,
            width: FULL,
        };
        full(tile, leaves);
        self.carry(1, root, position, full);
    }

    fn carry(
        &mut self,
        from: u8,
        mut hash: Hash,
        position: u64,
        full: &mut dyn FnMut(Tile, &[Hash]),
    ) {
        for (level, row) in (from..LEVELS).zip(&mut self.rows[usize::from(from)..]) {
            row.push(hash);
            if (row.len() as u64) < TILE_WIDTH {
                return;
            }
            let tile = Tile {
                level: Some(level),
                index: position >> (8 * (level + 1)),
                width: FULL,
            };
            full(tile, row);
            hash = fold(row);
            row.clear();
        }
    }

    /// The unfinished tiles that exist.
    pub fn partials(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        (0..LEVELS).zip(&self.rows).filter_map(|(level, row)| {
            let index = count_at(level + 1, self.size);
            let tile = Tile::of_size(Some(level), index, self.size)?;
            Some((tile, &row[..]))
        })
    }

    pub fn root(&self) -> Hash {
        let mut root = None;
        for row in &self.rows {
            let mut end = row.len();
            while end > 0 {
                let peak_width = 1 << end.trailing_zeros();
                let peak = fold(&row[end - peak_width..end]);
                root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
                end -= peak_width;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// Whether `proof` leads from the leaf at `index` to the root of a tree of `size` (RFC 9162, 2.1.3.2).
pub fn inclusion_holds(index: u64, size: u64, leaf: Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fnode, mut snode, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(step, &hash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    snode == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `new` begins with that of `old` (RFC 9162, 2.1.4.2).
pub fn consistency_holds(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (old, new);
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    if first == 0 {
        return proof.is_empty() && *first_root == empty_root();
    }
    if first > second {
        return false;
    }
    let mut steps = proof.iter();
    let start = if first.is_power_of_two() {
        *first_root
    } else {
        match steps.next() {
            Some(hash) => *hash,
            None => return false,
        }
    };
    let shift = (first - 1).trailing_ones();
    let (mut fnode, mut snode) = ((first - 1) >> shift, (second - 1) >> shift);
    let (mut fhash, mut shash) = (start, start);
    for step in steps {
        if snode == 0 {
            return false;
        }
        if fnode & 1 == 1 || fnode == snode {
            fhash = node_hash(step, &fhash);
            shash = node_hash(step, &shash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            shash = node_hash(&shash, step);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    snode == 0 && fhash == *first_root && shash == *second_root
}
