//! Opens a log: starts from the durable checkpoint and replays the write-ahead file up to the last acknowledged batch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::durable::{self, AppendFile};
use crate::failpoint::{reached, step};
use crate::model::Sha256Digest;

use super::log::{CHECKPOINT, DURABLE, Log, WAL, grown};
use super::proof::TileTree;
use super::source::{DirSource, Entries, LogSource as _, read_tile};
use super::tiles::{LEVELS, TILE_WIDTH, Tile, count_at, tiles_between};
use super::tree::{Edge, empty_root, leaf_hash};
use super::{AuditError, Checkpoint, LogKey, note, wal};

/// Folding keeps the write-ahead file shorter than this.
const WAL_MAX: u64 = 512 << 20;

pub fn open(dir: &Path, key: LogKey, origin: &str) -> Result<Log, AuditError> {
    let verifier = key.verifier(origin)?;
    durable::create_dir(dir)?;
    let source = DirSource::new(dir);
    let mut wal = AppendFile::resume(&dir.join(WAL), u64::MAX)?;
    let read = |source| AuditError::Read {
        key: WAL.into(),
        source,
    };
    flock(wal.file(), FlockOperation::NonBlockingLockExclusive).map_err(|e| read(e.into()))?;
    let mut bytes = Vec::new();
    let file = fs::File::open(wal.path()).map_err(read)?;
    let taken = file.take(WAL_MAX + 1).read_to_end(&mut bytes);
    if taken.map_err(read)? as u64 > WAL_MAX {
        return Err(corrupt("its write-ahead file is too long"));
    }
    let (records, good) = wal::scan(&bytes)?;

    let note = match durable_note(dir)? {
        Some(note) => note,
        None if records.is_empty() => first_note(dir, &source, &key, origin)?,
        None => return Err(corrupt("its durable checkpoint is missing")),
    };
    let checkpoint = verifier.open(&note)?;
    let (edge, bundle) = load_edge(&source, &checkpoint)?;
    wal.truncate(good as u64)?;
    let anchored: Vec<Tile> = unfinished(checkpoint.size).collect();
    let durable_size = checkpoint.size;
    let mut log = Log {
        source,
        key,
        origin: origin.to_owned(),
        edge,
        bundle,
        checkpoint,
        note,
        wal,
        waiting: BTreeMap::new(),
        unsynced: BTreeSet::new(),
        shown: anchored.clone(),
        shown_size: durable_size,
        anchored,
        poisoned: false,
    };
    for record in records.iter().filter(|r| r.end() > durable_size) {
        replay(&mut log, record)?;
    }
    check_shown(&log)?;
    step!("log: settle");
    settle(&mut log, durable_size)?;
    Ok(log)
}

fn corrupt(what: &str) -> AuditError {
    AuditError::Corrupt { what: what.into() }
}

fn durable_note(dir: &Path) -> Result<Option<String>, AuditError> {
    let failed = |source| AuditError::Read {
        key: DURABLE.into(),
        source,
    };
    let file = match fs::File::open(dir.join(DURABLE)) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut text = String::new();
    let read = file.take(note::NOTE_MAX as u64).read_to_string(&mut text);
    read.map_err(failed)?;
    Ok(Some(text))
}

/// The first checkpoint of a new log, or of one whose public files were restored from their published copy.
fn first_note(
    dir: &Path,
    source: &DirSource,
    key: &LogKey,
    origin: &str,
) -> Result<String, AuditError> {
    let note = match source.read(CHECKPOINT)? {
        Some(bytes) => String::from_utf8(bytes)
            .map_err(|_| AuditError::Note("the checkpoint is not UTF-8 text"))?,
        None if dir.join("tile").exists() => {
            return Err(corrupt("it has tiles but no checkpoint"));
        }
        None => key.sign(&Checkpoint {
            origin: origin.to_owned(),
            size: 0,
            root: Sha256Digest(empty_root()),
        })?,
    };
    let checkpoint = key.verifier(origin)?.open(&note)?;
    load_edge(source, &checkpoint)?;
    step!("log: begin");
    durable::write_atomic(&dir.join(CHECKPOINT), note.as_bytes())?;
    reached!("log: half begun");
    durable::write_atomic(&dir.join(DURABLE), note.as_bytes())?;
    Ok(note)
}

fn unfinished(size: u64) -> impl Iterator<Item = Tile> {
    let levels = std::iter::once(None).chain((0..LEVELS).map(Some));
    levels.filter_map(move |level| {
        let count = count_at(level.unwrap_or(0), size);
        Tile::of_size(level, count / TILE_WIDTH, size)
    })
}

/// The right edge and the unfinished bundle, checked against the signed root and each other.
fn load_edge(source: &DirSource, checkpoint: &Checkpoint) -> Result<(Edge, Vec<u8>), AuditError> {
    let size = checkpoint.size;
    let edge = TileTree::new(source, size).edge()?;
    if edge.root() != checkpoint.root.0 {
        return Err(corrupt("its tiles do not lead to its signed root"));
    }
    let Some(tile) = Tile::of_size(None, size / TILE_WIDTH, size) else {
        return Ok((edge, Vec::new()));
    };
    let bundle = read_tile(source, tile)?;
    let leaves = Entries(&bundle).map(|entry| entry.map(leaf_hash));
    if !leaves.eq(edge.leaves().iter().map(|leaf| Some(*leaf))) {
        return Err(corrupt("its last entries do not match its tiles"));
    }
    Ok((edge, bundle))
}

fn replay(log: &mut Log, record: &wal::Record<'_>) -> Result<(), AuditError> {
    if record.start != log.size() {
        return Err(corrupt("its write-ahead file has a gap"));
    }
    let (edge, full) = grown(&log.edge, record.entries.iter().copied());
    let checkpoint = log.key.verifier(&log.origin)?.open(record.note)?;
    if checkpoint.size != edge.size() || checkpoint.root.0 != edge.root() {
        return Err(corrupt("a batch does not lead to its signed checkpoint"));
    }
    let entries = record.entries.iter().copied();
    log.commit(entries, edge, full, checkpoint, record.note.to_owned());
    Ok(())
}

/// The public checkpoint must be a beginning of what is committed.
fn check_shown(log: &Log) -> Result<(), AuditError> {
    let Some(note) = log.read_checkpoint()? else {
        return Ok(());
    };
    match log.key.verifier(&log.origin)?.open(&note) {
        Ok(shown) if shown.size > log.size() => Err(corrupt(
            "its checkpoint is ahead of its entries: entries were removed or an old copy was restored",
        )),
        Ok(shown) if shown.size == log.size() && shown.root != log.checkpoint.root => {
            Err(corrupt("two different checkpoints of one size exist"))
        }
        // The checkpoint is written without a sync: a power cut may have torn it.
        Ok(_) | Err(AuditError::Note(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Rewrites and syncs what the write-ahead file added, and removes unfinished tiles that a crash left.
fn settle(log: &mut Log, durable_size: u64) -> Result<(), AuditError> {
    let size = log.size();
    if size > durable_size {
        log.show()?;
    } else {
        durable::write_atomic(&log.path(CHECKPOINT), log.note.as_bytes())?;
    }
    let touched = tiles_between(durable_size, size).chain(unfinished(size));
    for tile in touched {
        let keep = [&log.shown[..], &log.anchored[..]].concat();
        let partial = Tile { width: 1, ..tile };
        let folder = log.path(&partial.key());
        let Some(listed) = folder.parent().and_then(|f| fs::read_dir(f).ok()) else {
            continue;
        };
        for entry in listed.flatten() {
            let width = entry.file_name().to_str().and_then(|n| n.parse().ok());
            if !width.is_some_and(|width| keep.contains(&Tile { width, ..tile })) {
                durable::remove(&entry.path())?;
            }
        }
    }
    if size > durable_size || !log.wal.is_empty() {
        log.fold()?;
    }
    Ok(())
}
