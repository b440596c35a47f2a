//! Names of the log's files (C2SP tlog-tiles, "Merkle tree" and "Log entries").

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
pub const FULL: u16 = 256;
/// Tile levels that a log of fewer than 2^63 entries can have.
pub const LEVELS: u8 = 8;

/// One tile or entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// `None` for an entry bundle.
    pub level: Option<u8>,
    pub index: u64,
    /// 1 to 256; 256 is a full one.
    pub width: u16,
}

impl Tile {
    /// The tile `index` of a level as a log of `size` entries has it; `None` if it has none there.
    pub fn of_size(level: Option<u8>, index: u64, size: u64) -> Option<Self> {
        let count = count_at(level.unwrap_or(0), size);
        let left = count.checked_sub(index.checked_mul(TILE_WIDTH)?)?;
        let width = u16::try_from(left).unwrap_or(FULL).min(FULL);
        (width > 0).then_some(Self {
            level,
            index,
            width,
        })
    }

    pub const fn is_full(self) -> bool {
        self.width == FULL
    }

    pub const fn full(self) -> Self {
        Self {
            width: FULL,
            ..self
        }
    }

    /// `tile/0/x001/067`, `tile/entries/000.p/12`.
    pub fn key(self) -> String {
        let mut groups = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        let level = self
            .level
            .map_or_else(|| "entries".to_owned(), |l| l.to_string());
        let partial = if self.is_full() {
            String::new()
        } else {
            format!(".p/{}", self.width)
        };
        format!("tile/{level}/{groups}{partial}")
    }

    /// Reads a key back; only the one spelling that [`Self::key`] gives is accepted.
    pub fn parse(key: &str) -> Option<Self> {
        let (level, rest) = key.strip_prefix("tile/")?.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => Some(level.parse().ok().filter(|l| *l < LEVELS)?),
        };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok()?),
            None => (rest, FULL),
        };
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let tile = Self {
            level,
            index,
            width,
        };
        (width > 0 && u64::from(width) <= TILE_WIDTH && tile.key() == key).then_some(tile)
    }
}

/// Hashes at a tile level of a log of `size` entries.
pub const fn count_at(level: u8, size: u64) -> u64 {
    if level >= LEVELS {
        0
    } else {
        size >> (8 * level as u32)
    }
}

/// The bundles and then the tiles that a log of `new` entries has and a log of `old` entries lacks.
pub fn tiles_between(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    std::iter::once(None)
        .chain((0..LEVELS).map(Some))
        .flat_map(move |level| {
            let from = count_at(level.unwrap_or(0), old);
            let to = count_at(level.unwrap_or(0), new);
            let range = if from < to {
                from / TILE_WIDTH..to.div_ceil(TILE_WIDTH)
            } else {
                0..0
            };
            range.filter_map(move |index| Tile::of_size(level, index, new))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let tile = |level, index, width| {
            Tile {
                level,
                index,
                width,
            }
            .key()
        };
        assert_eq!(tile(Some(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Some(3), 0, 8), "tile/3/000.p/8");
        assert_eq!(tile(None, 1000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn only_the_one_spelling_of_a_name_is_read() {
        for index in [0, 7, 999, 1000, 1_234_067, u64::MAX >> 8] {
            for level in [None, Some(0), Some(7)] {
                for width in [1, 255, 256] {
                    let tile = Tile {
                        level,
                        index,
                        width,
                    };
                    assert_eq!(Tile::parse(&tile.key()), Some(tile));
                }
            }
        }
        for wrong in [
            "tile/0/67",
            "tile/0/x000/067",
            "tile/00/067",
            "tile/0/067.p/256",
            "tile/0/067.p/0",
            "tile/0/../067",
            "tile/9/000",
            "tile/0/067.p/+1",
            "checkpoint",
            "tile/0/",
        ] {
            assert_eq!(Tile::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn growth_names_each_new_file_once() {
        let keys: Vec<_> = tiles_between(255, 513).map(Tile::key).collect();
        let entries = ["000", "001", "002.p/1"].map(|n| format!("tile/entries/{n}"));
        let hashes = ["0/000", "0/001", "0/002.p/1", "1/000.p/2"].map(|n| format!("tile/{n}"));
        assert_eq!(keys, [&entries[..], &hashes[..]].concat());
        assert_eq!(tiles_between(513, 513).count(), 0);
    }
}
