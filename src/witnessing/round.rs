//! One round with one witness: the newest checkpoint with a proof from the size that it knows, until it cosigns.

use super::client::{WitnessAnswer, WitnessClient};
use super::error::WitnessError;
use super::kept::KeptCosignature;
use crate::audit::{
    AddCheckpoint, AuditError, Checkpoint, DirSource, WitnessKey, consistency_proof,
};

/// A witness may name another size when it has seen a newer checkpoint meanwhile, and hardly twice.
const TRIES: usize = 4;

/// A cosignature that was verified.
#[derive(Debug)]
pub struct Asked {
    pub kept: KeptCosignature,
    /// The checkpoint with the log's signature and the witness's.
    pub note: String,
}

/// Sends the newest checkpoint that `latest` gives. `known` is the size that the witness has cosigned as far as we know, 0 where
/// we do not.
pub async fn ask(
    client: &WitnessClient,
    key: &WitnessKey,
    source: &DirSource,
    latest: &(dyn Fn() -> Result<(Checkpoint, String), AuditError> + Sync),
    known: u64,
) -> Result<Asked, WitnessError> {
    let mut old = known;
    for _ in 0..TRIES {
        let (checkpoint, note) = tokio::task::block_in_place(latest)?;
        let size = checkpoint.size;
        if old > size {
            return Err(WitnessError::Ahead {
                theirs: old,
                ours: size,
            });
        }
        let proof = tokio::task::block_in_place(|| consistency_proof(source, old, &checkpoint))?;
        let body = AddCheckpoint::body(old, &proof, &note);
        match client.add_checkpoint(body).await? {
            WitnessAnswer::Lines(lines) => return taken(key, checkpoint, &note, &lines),
            // Its own size is right, and it refuses: in version 1.0 that is how another root is told.
            WitnessAnswer::Size(theirs) if theirs != old => old = theirs,
            WitnessAnswer::Size(_) | WitnessAnswer::NotGrown => {
                return Err(WitnessError::Contradicts { size });
            }
        }
    }
    Err(WitnessError::Answer("it names another size each time"))
}

fn taken(
    key: &WitnessKey,
    checkpoint: Checkpoint,
    note: &str,
    lines: &str,
) -> Result<Asked, WitnessError> {
    let taken = key
        .take_cosignature(note, lines)
        .map_err(|error| match error {
            AuditError::BadSignature { .. } => WitnessError::WrongSignature {
                key: key.to_string(),
            },
            _ => WitnessError::Answer("it holds no signature lines"),
        })?;
    let (note, at) = taken.ok_or_else(|| WitnessError::OtherKey {
        key: key.to_string(),
    })?;
    Ok(Asked {
        kept: KeptCosignature { checkpoint, at },
        note,
    })
}
