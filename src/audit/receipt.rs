//! Receipts: a log entry's inclusion proof and the checkpoint it leads to (C2SP tlog-proof), checkable offline.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{parse_decimal, parse_hash};
use super::proof::TileTree;
use super::source::{Entries, LogSource, read_tile};
use super::tiles::{TILE_WIDTH, Tile};
use super::tree::{Hash, inclusion_holds, leaf_hash};
use super::{AuditError, Checkpoint, VerifierKey, note};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^64 leaves is this deep.
const STEPS_MAX: usize = 64;
const RECEIPT_MAX: usize = 2 * note::NOTE_MAX;

/// The receipt of an entry under a checkpoint. It is checked before it is returned.
pub fn receipt(
    source: &dyn LogSource,
    (checkpoint, note): (&Checkpoint, &str),
    index: u64,
) -> Result<String, AuditError> {
    let proof = TileTree::new(source, checkpoint.size).inclusion(index)?;
    let leaf = leaf_hash(&entry_at(source, checkpoint.size, index)?);
    if !inclusion_holds(index, checkpoint.size, leaf, &proof, &checkpoint.root.0) {
        return Err(AuditError::Corrupt {
            what: format!("entry {index} does not lead to the signed root"),
        });
    }
    Ok(written(index, &proof, note))
}

/// A proof as the format has it.
pub(super) fn written(index: u64, proof: &[Hash], note: &str) -> String {
    let mut text = format!("{FIRST_LINE}\nindex {index}\n");
    for hash in proof {
        text.push_str(&STANDARD.encode(hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(note);
    text
}

/// The bytes of one entry.
pub fn entry_at(source: &dyn LogSource, size: u64, index: u64) -> Result<Vec<u8>, AuditError> {
    let outside = AuditError::OutOfRange { index, size };
    if index >= size {
        return Err(outside);
    }
    let tile = Tile::of_size(None, index / TILE_WIDTH, size).ok_or(outside)?;
    let bundle = read_tile(source, tile)?;
    Entries(&bundle)
        .nth((index % TILE_WIDTH) as usize)
        .flatten()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| AuditError::Corrupt {
            what: format!("{} is cut short", tile.key()),
        })
}

/// The entries from `from` to the end of its bundle (256 entries at most), in order; none beyond `size`.
pub fn entries_from(
    source: &dyn LogSource,
    size: u64,
    from: u64,
) -> Result<Vec<Vec<u8>>, AuditError> {
    if from >= size {
        return Ok(Vec::new());
    }
    let outside = AuditError::OutOfRange { index: from, size };
    let tile = Tile::of_size(None, from / TILE_WIDTH, size).ok_or(outside)?;
    let bundle = read_tile(source, tile)?;
    Entries(&bundle)
        .skip((from % TILE_WIDTH) as usize)
        .map(|entry| {
            entry
                .map(<[u8]>::to_vec)
                .ok_or_else(|| AuditError::Corrupt {
                    what: format!("{} is cut short", tile.key()),
                })
        })
        .collect()
}

/// The indices of the entries that a receipt says it proves; nothing of it is checked.
pub fn claimed_indices(text: &str) -> Vec<u64> {
    let lines = text.lines().take(RECEIPT_MAX / 8);
    lines
        .filter_map(|line| line.strip_prefix("index ").and_then(parse_decimal))
        .collect()
}

/// The size of the log in `source` according to its checkpoint, whoever signed it.
pub fn claimed_size(source: &dyn LogSource) -> Result<u64, AuditError> {
    let key = "checkpoint";
    let note = source
        .read(key)?
        .ok_or_else(|| AuditError::Missing { key: key.into() })?;
    let note = String::from_utf8(note).map_err(|_| AuditError::Note("it is not text"))?;
    Ok(Checkpoint::parse(note::parse(&note)?.text)?.size)
}

/// Checks that `text` proves `entry` to be in the log of `key`; gives its index and the checkpoint.
pub fn verify_receipt(
    text: &str,
    entry: &[u8],
    key: &VerifierKey,
) -> Result<(u64, Checkpoint), AuditError> {
    if text.len() > RECEIPT_MAX {
        return Err(AuditError::Proof("it is longer than any receipt"));
    }
    let (head, note) = text
        .split_once("\n\n")
        .ok_or(AuditError::Proof("no empty line before the checkpoint"))?;
    let mut lines = head.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return Err(AuditError::Proof(
            "its first line is not `c2sp.org/tlog-proof@v1`",
        ));
    }
    let mut line = lines.next();
    if let Some(extra) = line.and_then(|l| l.strip_prefix("extra ")) {
        STANDARD
            .decode(extra)
            .map_err(|_| AuditError::Proof("its extra data is not base64"))?;
        line = lines.next();
    }
    let index = line
        .and_then(|l| l.strip_prefix("index "))
        .and_then(parse_decimal)
        .ok_or(AuditError::Proof("its index line is malformed"))?;
    let steps = lines
        .take(STEPS_MAX + 1)
        .map(|l| parse_hash(l).map(|digest| digest.0))
        .collect::<Option<Vec<Hash>>>()
        .filter(|steps| steps.len() <= STEPS_MAX)
        .ok_or(AuditError::Proof("its hash lines are malformed"))?;
    let checkpoint = key.open(note)?;
    let root = checkpoint.root.0;
    if !inclusion_holds(index, checkpoint.size, leaf_hash(entry), &steps, &root) {
        return Err(AuditError::Proof(
            "the entry does not lead to the signed root",
        ));
    }
    Ok((index, checkpoint))
}
