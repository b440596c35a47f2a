//! Reads a log's entries in order, some at a time, each proven to lie below a signed checkpoint before anybody sees it.

use super::source::{Entries, LogSource, read_tile};
use super::tiles::{FULL, LEVELS, TILE_WIDTH, Tile, count_at};
use super::tree::{Edge, HASH, Hash, leaf_hash};
use super::witness::{LogGrowth, growth};
use super::{AuditError, Checkpoint};
use crate::model::Sha256Digest;

/// Bundles that are read before their entries are proven together.
const BUNDLES: u64 = 64;

/// The beginning of a log up to some entry, as far as the next entries need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadPrefix(Edge);

/// What came of reading on.
#[derive(Debug)]
pub enum NextEntries {
    /// They belong to the log of the checkpoint, as everything before them does.
    Proven(Box<ProvenEntries>),
    /// Everything below the checkpoint was read before.
    NoneLeft,
    /// What was read before is not the beginning of this log.
    OtherLog,
    /// The bundles or tiles do not lead to the signed root: nothing of them is to be believed.
    Unfit,
}

/// Entries that follow each other, and the prefix that ends with them.
#[derive(Debug)]
pub struct ProvenEntries {
    first: u64,
    bundles: Vec<Vec<u8>>,
    /// Entries at the beginning of the first bundle that were read before.
    skip: usize,
    pub prefix: ReadPrefix,
}

impl ProvenEntries {
    /// Each entry with its index in the log.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let all = self
            .bundles
            .iter()
            .flat_map(|bundle| Entries(bundle).flatten());
        (self.first..).zip(all.skip(self.skip))
    }
}

impl ReadPrefix {
    pub const fn size(&self) -> u64 {
        self.0.size()
    }

    /// For whoever keeps it: `None` if these bytes are not those of a prefix of `size` entries.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (mut hashes, rest) = bytes.as_chunks::<HASH>();
        let mut rows: [Vec<Hash>; LEVELS as usize] = Default::default();
        for (level, row) in (0..LEVELS).zip(&mut rows) {
            let width = usize::try_from(count_at(level, size) % TILE_WIDTH).ok()?;
            let (own, others) = hashes.split_at_checked(width)?;
            *row = own.to_vec();
            hashes = others;
        }
        let whole = hashes.is_empty() && rest.is_empty();
        whole.then(|| Edge::from_rows(size, rows).map(Self))?
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let rows = self.0.partials();
        rows.flat_map(|(_, hashes)| hashes.concat()).collect()
    }

    /// The next entries below `now`, a checkpoint whose signature was verified: at most about `bytes_max` of them and one
    /// bundle more.
    pub fn read_on(
        &self,
        source: &dyn LogSource,
        now: &Checkpoint,
        bytes_max: usize,
    ) -> Result<NextEntries, AuditError> {
        let first = self.size();
        if first >= now.size {
            // A person may have had another log of this origin believed, which is shorter or differs.
            let same = first == 0 || self.at(now) == *now;
            return Ok(if same {
                NextEntries::NoneLeft
            } else {
                NextEntries::OtherLog
            });
        }
        let mut edge = self.0.clone();
        let (mut bundles, mut bytes) = (Vec::new(), 0);
        let start = first / TILE_WIDTH;
        let mut skip = usize::try_from(first % TILE_WIDTH).unwrap_or(0);
        for number in start..start.saturating_add(BUNDLES) {
            let Some(tile) = Tile::of_size(None, number, now.size).filter(|_| bytes < bytes_max)
            else {
                break;
            };
            let bundle = read_tile(source, tile)?;
            let mut count = 0;
            for entry in Entries(&bundle) {
                let Some(entry) = entry.filter(|_| count < FULL) else {
                    return Ok(NextEntries::Unfit);
                };
                if usize::from(count) >= skip {
                    edge.push(leaf_hash(entry), &mut |_, _| {});
                }
                count += 1;
            }
            if count != tile.width {
                return Ok(NextEntries::Unfit);
            }
            skip = 0;
            bytes += bundle.len();
            bundles.push(bundle);
        }
        let prefix = Self(edge);
        let grown = growth(source, &prefix.at(now), now)?;
        Ok(match grown {
            LogGrowth::Grown(_) => NextEntries::Proven(Box::new(ProvenEntries {
                first,
                bundles,
                skip: usize::try_from(first % TILE_WIDTH).unwrap_or(0),
                prefix,
            })),
            LogGrowth::TilesUnfit => NextEntries::Unfit,
            LogGrowth::Rewritten if self.begins(source, now)? => NextEntries::Unfit,
            LogGrowth::Rewritten => NextEntries::OtherLog,
        })
    }

    /// Whether the log below `now` begins with what was read.
    fn begins(&self, source: &dyn LogSource, now: &Checkpoint) -> Result<bool, AuditError> {
        let grown = growth(source, &self.at(now), now)?;
        Ok(self.size() == 0 || !matches!(grown, LogGrowth::Rewritten))
    }

    fn at(&self, now: &Checkpoint) -> Checkpoint {
        Checkpoint {
            origin: now.origin.clone(),
            size: self.size(),
            root: Sha256Digest(self.0.root()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{DirSource, Log, LogKey};

    const ORIGIN: &str = "example.org/station";

    fn log(dir: &std::path::Path, entries: &[String]) -> (DirSource, Checkpoint) {
        let key = LogKey::generate().unwrap().0;
        let verifier = key.verifier(ORIGIN).unwrap();
        let mut log = Log::open(dir, key, ORIGIN).unwrap();
        let entries: Vec<_> = entries.iter().map(|e| e.clone().into_bytes()).collect();
        log.append(&entries).unwrap();
        let checkpoint = verifier.open(log.note()).unwrap();
        log.close().unwrap();
        (DirSource::new(dir), checkpoint)
    }

    fn entries(count: u32, word: &str) -> Vec<String> {
        (0..count)
            .map(|n| format!("{{\"n\":{n},\"v\":\"{word}\"}}"))
            .collect()
    }

    /// Reads to the end in small steps, over the prefix's written form each time.
    fn read_all(source: &DirSource, now: &Checkpoint, step: usize) -> Vec<String> {
        let mut prefix = ReadPrefix::default();
        let mut all = Vec::new();
        loop {
            match prefix.read_on(source, now, step).unwrap() {
                NextEntries::NoneLeft => return all,
                NextEntries::Proven(next) => {
                    for (index, entry) in next.iter() {
                        assert_eq!(index, all.len() as u64);
                        all.push(String::from_utf8(entry.to_vec()).unwrap());
                    }
                    let bytes = next.prefix.to_bytes();
                    prefix = ReadPrefix::from_bytes(next.prefix.size(), &bytes).unwrap();
                    assert_eq!(prefix, next.prefix);
                    assert!(ReadPrefix::from_bytes(prefix.size() + 1, &bytes).is_none());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_entry_is_read_once_in_order_at_every_size_and_step() {
        for count in [1, 255, 256, 257, 700] {
            let dir = tempfile::tempdir().unwrap();
            let written = entries(count, "a");
            let (source, now) = log(dir.path(), &written);
            for step in [1, 20_000, 1 << 20] {
                assert_eq!(read_all(&source, &now, step), written, "{count} {step}");
            }
        }
    }

    #[test]
    fn a_growing_log_is_read_on_from_the_middle_of_a_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let written = entries(600, "a");
        let (_, early) = log(&dir.path().join("early"), &written[..300]);
        let (source, now) = log(&dir.path().join("now"), &written);
        let early_source = DirSource::new(dir.path().join("early"));
        let begun = ReadPrefix::default();
        let begun = begun.read_on(&early_source, &early, 1 << 20).unwrap();
        let NextEntries::Proven(begun) = begun else {
            panic!("{begun:?}")
        };
        assert_eq!(begun.prefix.size(), 300);
        let next = begun.prefix.read_on(&source, &now, 1 << 20).unwrap();
        let NextEntries::Proven(next) = next else {
            panic!("{next:?}")
        };
        let read: Vec<_> = next
            .iter()
            .map(|(index, entry)| (index, entry.to_vec()))
            .collect();
        assert_eq!(read.len(), 300);
        assert_eq!(read[0], (300, written[300].clone().into_bytes()));
    }

    #[test]
    fn entries_that_do_not_lead_to_the_signed_root_are_never_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let written = entries(300, "a");
        let (source, now) = log(&dir.path().join("one"), &written);
        let mut others = written.clone();
        others[280] = "{\"n\":280,\"v\":\"b\"}".into();
        let (_, other) = log(&dir.path().join("two"), &others);
        // One bundle is another log's, cut short, or longer than it may be.
        let bundle = dir.path().join("one/tile/entries/001.p/44");
        let whole = std::fs::read(&bundle).unwrap();
        let foreign = std::fs::read(dir.path().join("two/tile/entries/001.p/44")).unwrap();
        let longer = [&whole[..], &whole[..]].concat();
        for bytes in [&foreign[..], &whole[..whole.len() - 1], &longer] {
            std::fs::write(&bundle, bytes).unwrap();
            let read = ReadPrefix::default().read_on(&source, &now, 1 << 20);
            assert!(matches!(read, Ok(NextEntries::Unfit)), "{read:?}");
        }
        std::fs::write(&bundle, &whole).unwrap();
        // What was read before belongs to another log.
        let two = DirSource::new(dir.path().join("two"));
        let begun = ReadPrefix::default()
            .read_on(&two, &other, 1 << 20)
            .unwrap();
        let NextEntries::Proven(begun) = begun else {
            panic!("{begun:?}")
        };
        let read = begun.prefix.read_on(&source, &now, 1 << 20);
        assert!(matches!(read, Ok(NextEntries::OtherLog)), "{read:?}");
        let mut grown = written.clone();
        grown.extend(entries(1, "c"));
        let (source, now) = log(&dir.path().join("grown"), &grown);
        let read = begun.prefix.read_on(&source, &now, 1 << 20);
        assert!(matches!(read, Ok(NextEntries::OtherLog)), "{read:?}");
    }
}
