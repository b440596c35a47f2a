use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::durable::{self, AppendFile};
use crate::failpoint::{reached, step};
use crate::model::{Explain as _, Sha256Digest};

use super::source::{DirSource, LogSource as _, frame_into};
use super::tiles::{TILE_WIDTH, Tile, tiles_between};
use super::tree::{Edge, leaf_hash};
use super::{AuditError, Checkpoint, ENTRY_MAX, LogKey, receipt, recovery, wal};

pub(super) const WAL: &str = "pending.wal";
/// The signed note of the last checkpoint whose tiles are all synced.
pub(super) const DURABLE: &str = "durable";
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The write-ahead file is folded into synced tiles when it is this long.
const FOLD_AT: u64 = 8 << 20;

/// The station's custody log in a folder, with its one writer. Use [`super::LogHandle`] to share it.
///
/// A batch is acknowledged once it is in the synced write-ahead file together with the checkpoint that it leads to.
/// The C2SP files follow unsynced and are synced together from time to time; opening rebuilds what a power cut took.
pub struct Log {
    pub(super) source: DirSource,
    pub(super) key: LogKey,
    pub(super) origin: String,
    pub(super) edge: Edge,
    /// The unfinished entry bundle.
    pub(super) bundle: Vec<u8>,
    pub(super) checkpoint: Checkpoint,
    pub(super) note: String,
    pub(super) wal: AppendFile,
    /// Full tiles and bundles that are committed but not in the folder yet.
    pub(super) waiting: BTreeMap<Tile, Vec<u8>>,
    /// In the folder, but a power cut may still take them.
    pub(super) unsynced: BTreeSet<Tile>,
    /// The unfinished tiles in the folder.
    pub(super) shown: Vec<Tile>,
    pub(super) shown_size: u64,
    /// The unfinished tiles that belong to the durable checkpoint: recovery starts from them.
    pub(super) anchored: Vec<Tile>,
    pub(super) poisoned: bool,
}

impl Log {
    /// Opens the log in `dir`, or begins one there. One process at a time.
    ///
    /// Reads the right edge of the tree and the write-ahead file, whatever the size of the log. Fails rather than
    /// continuing when the files contradict each other or were signed by another key.
    pub fn open(dir: &Path, key: LogKey, origin: &str) -> Result<Self, AuditError> {
        recovery::open(dir, key, origin)
    }

    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed checkpoint.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Reads the log's public files.
    pub const fn source(&self) -> &DirSource {
        &self.source
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.source.path().join(key)
    }

    /// Adds entries; when it returns they are durable under a signed checkpoint. Gives their indices.
    ///
    /// After an error none or the first part of them is in the log. One batch of at most 16 MiB is one sync and one signature.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<Range<u64>, AuditError> {
        if let Some(long) = entries.iter().find(|e| e.len() > ENTRY_MAX) {
            return Err(AuditError::TooLarge { size: long.len() });
        }
        let start = self.size();
        let mut rest = entries;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|entry| {
                bytes += entry.len() + 2;
                bytes <= wal::BATCH_MAX
            });
            let (batch, later) = rest.split_at(fits.count());
            self.append_batch(batch)?;
            rest = later;
        }
        Ok(start..self.size())
    }

    fn append_batch(&mut self, entries: &[Vec<u8>]) -> Result<(), AuditError> {
        if self.poisoned {
            return Err(AuditError::Poisoned);
        }
        // Files that a full disk kept back are written first, so that at most one batch ever waits in memory.
        self.show()?;
        let (edge, full) = grown(&self.edge, entries.iter().map(Vec::as_slice));
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: edge.size(),
            root: Sha256Digest(edge.root()),
        };
        reached!("log: grown");
        let note = self.key.sign(&checkpoint)?;
        reached!("log: signed");
        let before = self.wal.len();
        let record = wal::encode(self.size(), entries, &note);
        if let Err(error) = self.wal.append(&record) {
            self.poisoned = self.wal.truncate(before).is_err();
            return Err(error.into());
        }
        reached!("log: written ahead");
        if let Err(error) = self.wal.sync() {
            self.poisoned = true;
            return Err(error.into());
        }
        reached!("log: durable");
        self.commit(
            entries.iter().map(Vec::as_slice),
            edge,
            full,
            checkpoint,
            note,
        );
        // The batch is durable now: a step that fails below is repeated, or left to the next opening.
        let kept_up = self.show().and_then(|()| {
            if self.wal.len() >= FOLD_AT {
                self.fold()
            } else {
                Ok(())
            }
        });
        if let Err(error) = kept_up {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the custody log is durable, but its public files cannot be brought up to date; they are written with the next entries"
            );
        }
        Ok(())
    }

    pub(super) fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a [u8]>,
        edge: Edge,
        full: Vec<(Tile, Vec<u8>)>,
        checkpoint: Checkpoint,
        note: String,
    ) {
        for (index, entry) in (self.size()..).zip(entries) {
            frame_into(&mut self.bundle, entry);
            if (index + 1) % TILE_WIDTH == 0
                && let Some(tile) = Tile::of_size(None, index / TILE_WIDTH, index + 1)
            {
                self.waiting.insert(tile, std::mem::take(&mut self.bundle));
            }
        }
        self.waiting.extend(full);
        self.edge = edge;
        self.checkpoint = checkpoint;
        self.note = note;
    }

    /// Writes the files that a full disk kept back.
    pub(super) fn catch_up(&mut self) -> Result<(), AuditError> {
        if self.poisoned {
            return Err(AuditError::Poisoned);
        }
        self.show()
    }

    /// Brings the public files up to what is committed, without syncing; the checkpoint last.
    pub(super) fn show(&mut self) -> Result<(), AuditError> {
        if self.shown_size == self.size() {
            return Ok(());
        }
        step!("log: show");
        while let Some((tile, bytes)) = self.waiting.first_key_value() {
            let tile = *tile;
            self.put(tile, bytes)?;
            self.unsynced.insert(tile);
            self.waiting.remove(&tile);
        }
        let mut unfinished: Vec<Tile> = Vec::new();
        for (tile, hashes) in self.edge.partials() {
            if !self.shown.contains(&tile) {
                self.put(tile, hashes.as_flattened())?;
            }
            unfinished.push(tile);
        }
        if let Some(tile) = Tile::of_size(None, self.size() / TILE_WIDTH, self.size()) {
            self.put(tile, &self.bundle)?;
            unfinished.push(tile);
        }
        self.unsynced.extend(&unfinished);
        reached!("log: tiles shown");
        durable::write_unsynced(&self.path(CHECKPOINT), self.note.as_bytes())?;
        self.shown_size = self.size();
        for old in std::mem::replace(&mut self.shown, unfinished) {
            self.drop_replaced(old);
        }
        Ok(())
    }

    fn put(&self, tile: Tile, bytes: &[u8]) -> Result<(), AuditError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let key = tile.key();
        let path = self.path(&key);
        // The folders are synced with the files in them, when the write-ahead file is folded.
        if let Some(folder) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(folder);
            made.map_err(|source| AuditError::Read { key, source })?;
        }
        Ok(durable::write_unsynced(&path, bytes)?)
    }

    /// Removes an unfinished tile that is neither current nor where recovery would start.
    fn drop_replaced(&mut self, tile: Tile) {
        if tile.is_full() || self.shown.contains(&tile) || self.anchored.contains(&tile) {
            return;
        }
        self.unsynced.remove(&tile);
        let path = self.path(&tile.key());
        // A file that stays does no harm; the next opening removes it.
        let _ = durable::remove(&path);
        if let Some(folder) = path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Syncs the public files and empties the write-ahead file.
    pub(super) fn fold(&mut self) -> Result<(), AuditError> {
        if self.poisoned {
            return Err(AuditError::Poisoned);
        }
        self.show()?;
        step!("log: fold");
        if let Err(error) = self.sync_shown() {
            // After a failed sync the kernel may have dropped what it could not write: only reopening rewrites it.
            self.poisoned = true;
            return Err(error);
        }
        reached!("log: tiles synced");
        if let Err(error) = durable::write_atomic(&self.path(DURABLE), self.note.as_bytes()) {
            self.poisoned = !error.disk_full();
            return Err(error.into());
        }
        reached!("log: folded");
        self.unsynced.clear();
        for old in std::mem::replace(&mut self.anchored, self.shown.clone()) {
            self.drop_replaced(old);
        }
        let emptied = self.wal.truncate(0).and_then(|()| self.wal.sync());
        self.poisoned = emptied.is_err();
        Ok(emptied?)
    }

    fn sync_shown(&self) -> Result<(), AuditError> {
        let root = self.source.path();
        let mut folders = BTreeSet::from([root.to_owned()]);
        for tile in &self.unsynced {
            let path = self.path(&tile.key());
            durable::sync_file(&path)?;
            let above = path.ancestors().skip(1).take_while(|p| *p != root);
            folders.extend(above.map(Path::to_owned));
        }
        durable::sync_file(&self.path(CHECKPOINT))?;
        for folder in folders.iter().rev() {
            durable::sync_dir(folder)?;
        }
        Ok(())
    }

    /// Syncs everything and ends. Dropping without it is safe: the next opening does the work.
    pub fn close(mut self) -> Result<(), AuditError> {
        self.fold()
    }

    /// The bytes of one entry.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, AuditError> {
        receipt::entry_at(&self.source, self.shown_size, index)
    }

    /// The receipt of one entry under the current checkpoint.
    pub fn proof(&self, index: u64) -> Result<String, AuditError> {
        receipt::receipt(&self.source, (&self.checkpoint, &self.note), index)
    }

    /// Keys of the files to publish before this checkpoint, for a reader who has everything up to `size` entries.
    pub fn files_since(&self, size: u64) -> Vec<String> {
        tiles_between(size, self.size()).map(Tile::key).collect()
    }

    /// Whether the public files show everything that is committed.
    pub(super) const fn is_shown(&self) -> bool {
        self.shown_size == self.size()
    }

    pub(super) fn read_checkpoint(&self) -> Result<Option<String>, AuditError> {
        let bytes = self.source.read(CHECKPOINT)?;
        Ok(bytes.and_then(|b| String::from_utf8(b).ok()))
    }
}

/// The edge after `entries`, and the tiles that they complete.
pub(super) fn grown<'a>(
    edge: &Edge,
    entries: impl Iterator<Item = &'a [u8]>,
) -> (Edge, Vec<(Tile, Vec<u8>)>) {
    let (mut edge, mut full) = (edge.clone(), Vec::new());
    for entry in entries {
        edge.push(leaf_hash(entry), &mut |tile, hashes| {
            full.push((tile, hashes.concat()));
        });
    }
    (edge, full)
}
