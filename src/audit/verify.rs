//! Checks a whole log against its signed checkpoint, as any outsider could.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::diagnose::diagnose;
use super::proof::TileTree;
use super::report::{LogFinding, LogReport};
use super::source::{Entries, LogSource, read_hashes, read_tile};
use super::tiles::{TILE_WIDTH, Tile};
use super::tree::{Edge, Hash, consistency_holds, fold, leaf_hash};
use super::{AuditError, Checkpoint, VerifierKey, is_canonical};

const WORKERS: u64 = 2;
/// Bundles that a worker reads ahead.
const AHEAD: usize = 8;

/// Verifies every entry, every tile and the signature; with `remembered`, also that the log contains that checkpoint.
///
/// `on_entry` gets each entry in order while it is read, before anything is proven: what it gathers holds only if the
/// report is clean. An error means that the log could not be read, not that it is wrong.
pub fn verify_log(
    source: &(dyn LogSource + Sync),
    key: &VerifierKey,
    on_entry: &mut dyn FnMut(u64, &[u8]),
    remembered: Option<&Checkpoint>,
) -> Result<LogReport, AuditError> {
    let mut report = LogReport {
        size: 0,
        findings: Vec::new(),
        more: 0,
        signed: None,
    };
    let Some((checkpoint, note)) = open_checkpoint(source, key, &mut report)? else {
        return Ok(report);
    };
    report.size = checkpoint.size;
    let whole = read_all(source, &checkpoint, on_entry, &mut report)?;
    if !whole {
        diagnose(source, &checkpoint, &mut report)?;
    }
    if let Some(remembered) = remembered {
        check_remembered(source, &checkpoint, remembered, &mut report)?;
    }
    report.signed = Some((checkpoint, note));
    Ok(report)
}

fn open_checkpoint(
    source: &dyn LogSource,
    key: &VerifierKey,
    report: &mut LogReport,
) -> Result<Option<(Checkpoint, String)>, AuditError> {
    let bad = |reason: String| LogFinding::BadSignature { reason };
    let opened = match source.read("checkpoint")?.map(String::from_utf8) {
        None => Err(bad("it is missing".into())),
        Some(Err(_)) => Err(bad("it is not text".into())),
        Some(Ok(note)) => match key.open(&note) {
            Ok(checkpoint) => Ok((checkpoint, note)),
            Err(AuditError::ForeignKey { found, .. }) => Err(LogFinding::ReplacedKey { found }),
            Err(error) => Err(bad(error.to_string())),
        },
    };
    Ok(opened.map_err(|finding| report.add(finding)).ok())
}

/// One bundle as a worker leaves it.
struct Bundle {
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
    /// The root over a full bundle's leaves.
    root: Option<Hash>,
    tile_fits: bool,
    /// Positions in the bundle.
    not_canonical: Vec<u64>,
}

/// Returns `Ok(false)` if the entries do not lead to the signed root; what is wrong is still to be found.
fn read_all(
    source: &(dyn LogSource + Sync),
    checkpoint: &Checkpoint,
    on_entry: &mut dyn FnMut(u64, &[u8]),
    report: &mut LogReport,
) -> Result<bool, AuditError> {
    let size = checkpoint.size;
    let bundles = size.div_ceil(TILE_WIDTH);
    std::thread::scope(|scope| {
        let mut queues: Vec<Receiver<_>> = Vec::new();
        for worker in 0..WORKERS.min(bundles) {
            let (to, queue) = sync_channel(AHEAD);
            queues.push(queue);
            std::thread::Builder::new()
                .name("log-verify".into())
                .spawn_scoped(scope, move || work(source, size, worker, &to))
                .map_err(AuditError::Thread)?;
        }
        let mut edge = Edge::default();
        let mut tiles: Vec<(Tile, Vec<Hash>)> = Vec::new();
        for number in 0..bundles {
            let queue = &queues[(number % WORKERS) as usize];
            let bundle: Option<Bundle> = queue.recv().map_err(|_| AuditError::Closed)??;
            let Some(bundle) = bundle else {
                return Ok(false);
            };
            let first = number * TILE_WIDTH;
            for (index, entry) in (first..).zip(Entries(&bundle.bytes).flatten()) {
                on_entry(index, entry);
            }
            for at in bundle.not_canonical {
                report.add(LogFinding::NotCanonical { index: first + at });
            }
            if !bundle.tile_fits
                && let Some(tile) = Tile::of_size(Some(0), number, size)
            {
                report.add(LogFinding::TileMismatch { key: tile.key() });
            }
            let mut full = |tile: Tile, hashes: &[Hash]| {
                if tile.level != Some(0) {
                    tiles.push((tile, hashes.to_vec()));
                }
            };
            match bundle.root {
                Some(root) => edge.push_tile(&bundle.leaves, root, &mut full),
                None => bundle
                    .leaves
                    .iter()
                    .for_each(|leaf| edge.push(*leaf, &mut full)),
            }
            let partials = edge.partials().filter(|_| number + 1 == bundles);
            let partials = partials.filter(|(tile, _)| tile.level != Some(0));
            tiles.extend(partials.map(|(tile, hashes)| (tile, hashes.to_vec())));
            for (tile, hashes) in tiles.drain(..) {
                if !tile_is(source, tile, &hashes)? {
                    report.add(LogFinding::TileMismatch { key: tile.key() });
                }
            }
        }
        let proven = edge.root() == checkpoint.root.0;
        if !proven {
            // Only the signed root shows whether the entry or the tile is wrong; the diagnosis uses it.
            report
                .findings
                .retain(|f| !matches!(f, LogFinding::TileMismatch { .. }));
        }
        Ok(proven)
    })
}

type BundleRead = Result<Option<Bundle>, AuditError>;

fn work(source: &(dyn LogSource + Sync), size: u64, worker: u64, to: &SyncSender<BundleRead>) {
    let mut number = worker;
    while let Some(tile) = Tile::of_size(None, number, size) {
        let found = read_bundle(source, tile);
        let last = !matches!(found, Ok(Some(_)));
        if to.send(found).is_err() || last {
            return;
        }
        number += WORKERS;
    }
}

/// `None` if it is missing, cut short or too long.
fn read_bundle(source: &dyn LogSource, tile: Tile) -> BundleRead {
    let bytes = match read_tile(source, tile) {
        Ok(bytes) => bytes,
        Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut leaves, mut not_canonical) = (Vec::with_capacity(256), Vec::new());
    for (at, entry) in (0..).zip(Entries(&bytes)) {
        let Some(entry) = entry.filter(|_| at < TILE_WIDTH) else {
            return Ok(None);
        };
        leaves.push(leaf_hash(entry));
        if !is_canonical(entry) {
            not_canonical.push(at);
        }
    }
    if leaves.len() != usize::from(tile.width) {
        return Ok(None);
    }
    let hashes = Tile {
        level: Some(0),
        ..tile
    };
    Ok(Some(Bundle {
        root: tile.is_full().then(|| fold(&leaves)),
        tile_fits: tile_is(source, hashes, &leaves)?,
        bytes,
        leaves,
        not_canonical,
    }))
}

fn tile_is(source: &dyn LogSource, tile: Tile, expected: &[Hash]) -> Result<bool, AuditError> {
    match read_hashes(source, tile) {
        Ok(hashes) => Ok(hashes == expected),
        Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn check_remembered(
    source: &dyn LogSource,
    now: &Checkpoint,
    then: &Checkpoint,
    report: &mut LogReport,
) -> Result<(), AuditError> {
    if then.size > now.size {
        report.add(LogFinding::Truncated {
            had: then.size,
            has: now.size,
        });
        return Ok(());
    }
    let fork = LogFinding::Fork { size: then.size };
    match TileTree::new(source, now.size).consistency(then.size) {
        Ok(proof) => {
            let (old, new) = ((then.size, &then.root.0), (now.size, &now.root.0));
            if !consistency_holds(old, new, &proof) {
                let broken = report.findings.iter().any(|f| f.label() == "tile_mismatch");
                // Broken tiles prove nothing either way.
                if !broken {
                    report.add(fork);
                }
            }
            Ok(())
        }
        // The reading above has reported the same tile.
        Err(AuditError::Missing { .. } | AuditError::Corrupt { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The result of comparing this station's log with a checkpoint that somebody else holds, such as the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Same,
    /// The other is the beginning of this log.
    Ahead {
        local: u64,
        other: u64,
    },
    /// The other has entries that this log lacks: an old copy was restored here, or it is a fork.
    Behind {
        local: u64,
        other: u64,
    },
    /// Two histories under one key.
    Fork {
        size: u64,
    },
}

/// Compares the log in `local` with the signed checkpoint `other`; both must be signed by `key`.
pub fn compare(
    local: &dyn LogSource,
    other: &str,
    key: &VerifierKey,
) -> Result<Standing, AuditError> {
    let note = local.read("checkpoint")?.ok_or(AuditError::Missing {
        key: "checkpoint".into(),
    })?;
    let note = String::from_utf8(note).map_err(|_| AuditError::Note("it is not text"))?;
    let (ours, theirs) = (key.open(&note)?, key.open(other)?);
    if theirs.size > ours.size {
        return Ok(Standing::Behind {
            local: ours.size,
            other: theirs.size,
        });
    }
    let proof = TileTree::new(local, ours.size).consistency(theirs.size)?;
    let (old, new) = ((theirs.size, &theirs.root.0), (ours.size, &ours.root.0));
    Ok(if !consistency_holds(old, new, &proof) {
        Standing::Fork { size: theirs.size }
    } else if ours.size == theirs.size {
        Standing::Same
    } else {
        Standing::Ahead {
            local: ours.size,
            other: theirs.size,
        }
    })
}
