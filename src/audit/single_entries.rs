//! Reads single entries of a log, each proven to be in it below a signed checkpoint.

use super::proof::TileTree;
use super::source::{Entries, LogSource, read_tile};
use super::tiles::{TILE_WIDTH, Tile};
use super::tree::{Hash, inclusion_holds, leaf_hash};
use super::{AuditError, Checkpoint, receipt};

/// Reads each tile, and neighbours in one bundle, once.
pub struct EntryReader<'a> {
    source: &'a dyn LogSource,
    checkpoint: &'a Checkpoint,
    tree: TileTree<'a>,
    bundle: Option<(u64, Vec<u8>)>,
    read: u64,
}

impl<'a> EntryReader<'a> {
    /// The checkpoint's signature was verified.
    pub fn new(source: &'a dyn LogSource, checkpoint: &'a Checkpoint) -> Self {
        Self {
            source,
            checkpoint,
            tree: TileTree::new(source, checkpoint.size),
            bundle: None,
            read: 0,
        }
    }

    /// Bytes of bundles that were read so far.
    pub const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The entry's bytes. One that does not lead to the signed root is an error: nothing of it is to be believed.
    pub fn read(&mut self, index: u64) -> Result<Vec<u8>, AuditError> {
        Ok(self.proven(index)?.0)
    }

    /// The same with its receipt, which leads to `note`: the signed note of the checkpoint, with whatever cosignatures.
    pub fn receipt(&mut self, index: u64, note: &str) -> Result<(Vec<u8>, String), AuditError> {
        let (entry, proof) = self.proven(index)?;
        Ok((entry, receipt::written(index, &proof, note)))
    }

    fn proven(&mut self, index: u64) -> Result<(Vec<u8>, Vec<Hash>), AuditError> {
        let size = self.checkpoint.size;
        let number = index / TILE_WIDTH;
        let tile = Tile::of_size(None, number, size).filter(|_| index < size);
        let tile = tile.ok_or(AuditError::OutOfRange { index, size })?;
        if self.bundle.as_ref().is_none_or(|(kept, _)| *kept != number) {
            let bundle = read_tile(self.source, tile)?;
            self.read += bundle.len() as u64;
            self.bundle = Some((number, bundle));
        }
        let bundle = self.bundle.as_ref().map_or(&[][..], |(_, bundle)| bundle);
        let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let entry = Entries(bundle).nth(at).flatten();
        let entry = entry.ok_or_else(|| AuditError::Corrupt {
            what: format!("{} is cut short", tile.key()),
        })?;
        let proof = self.tree.inclusion(index)?;
        let root = &self.checkpoint.root.0;
        if !inclusion_holds(index, size, leaf_hash(entry), &proof, root) {
            return Err(AuditError::Corrupt {
                what: format!("entry {index} does not lead to the signed root"),
            });
        }
        Ok((entry.to_vec(), proof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{DirSource, Log, LogKey};

    #[test]
    fn single_entries_are_proven_each_and_a_changed_one_is_never_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let key = LogKey::generate().unwrap().0;
        let verifier = key.verifier("example.org/station").unwrap();
        let mut log = Log::open(dir.path(), key, "example.org/station").unwrap();
        let entries: Vec<_> = (0..600)
            .map(|n| format!("{{\"n\":{n}}}").into_bytes())
            .collect();
        log.append(&entries).unwrap();
        let now = verifier.open(log.note()).unwrap();
        log.close().unwrap();
        let source = DirSource::new(dir.path());
        let mut reader = EntryReader::new(&source, &now);
        for index in [0, 599, 255, 256, 300, 301] {
            assert_eq!(
                reader.read(index).unwrap(),
                entries[usize::try_from(index).unwrap()]
            );
        }
        let read = reader.bytes_read();
        reader.read(302).unwrap();
        assert_eq!(reader.bytes_read(), read);
        assert!(matches!(
            reader.read(600),
            Err(AuditError::OutOfRange { .. })
        ));

        let bundle = dir.path().join("tile/entries/001");
        let text = std::fs::read(&bundle).unwrap();
        let changed = String::from_utf8_lossy(&text).replace("{\"n\":300}", "{\"n\":999}");
        std::fs::write(&bundle, changed.as_bytes()).unwrap();
        let mut reader = EntryReader::new(&source, &now);
        assert!(matches!(reader.read(300), Err(AuditError::Corrupt { .. })));
        assert_eq!(reader.read(301).unwrap(), entries[301]);
    }
}
