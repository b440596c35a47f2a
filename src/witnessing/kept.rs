//! The newest cosigned checkpoint of each witness, kept so that a restart knows it and anybody can check it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::WitnessError;
use crate::audit::{Checkpoint, VerifierKey, WitnessKey};
use crate::durable;
use crate::model::Sha256Digest;

/// Longer than any note.
const KEPT_MAX: u64 = 128 << 10;

/// A checkpoint that a witness has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCosignature {
    pub checkpoint: Checkpoint,
    /// The station's clock does not matter: the witness says when.
    pub at: Timestamp,
}

/// A file name made of the key alone: names in a policy come from somebody else.
fn file(dir: &Path, witness: &WitnessKey) -> PathBuf {
    dir.join(Sha256Digest::of(witness.to_string().as_bytes()).to_string())
}

/// What this witness is known to have cosigned of the log; `None`: nothing yet.
pub fn read_kept(
    dir: &Path,
    log: &VerifierKey,
    witness: &WitnessKey,
) -> Result<Option<KeptCosignature>, WitnessError> {
    let mut note = String::new();
    let opened = match fs::File::open(file(dir, witness)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(WitnessError::ReadKept)?,
    };
    let read = opened.take(KEPT_MAX).read_to_string(&mut note);
    read.map_err(WitnessError::ReadKept)?;
    let checkpoint = log.open(&note).map_err(WitnessError::Kept)?;
    let at = witness.cosigned(&note).map_err(WitnessError::Kept)?;
    let at = at.ok_or_else(|| WitnessError::OtherKey {
        key: witness.to_string(),
    })?;
    Ok(Some(KeptCosignature { checkpoint, at }))
}

/// Returns once the note is durable.
pub fn keep(dir: &Path, witness: &WitnessKey, note: &str) -> Result<(), WitnessError> {
    durable::create_dir(dir)?;
    Ok(durable::write_atomic(&file(dir, witness), note.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::LogKey;
    use crate::model::Explain as _;

    #[test]
    fn what_is_kept_is_read_back_and_what_was_changed_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("witnesses");
        let (log, key) = (LogKey::generate().unwrap().0, LogKey::generate().unwrap().0);
        let verifier = log.verifier("camdock/one").unwrap();
        let witness = key.witness("w").unwrap();
        assert_eq!(read_kept(&dir, &verifier, &witness).unwrap(), None);
        let checkpoint = Checkpoint {
            origin: "camdock/one".into(),
            size: 7,
            root: Sha256Digest::of(b"root"),
        };
        let note = log.sign(&checkpoint).unwrap();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let cosigned = note.clone() + &key.cosign("w", &note, at).unwrap();
        keep(&dir, &witness, &cosigned).unwrap();
        let kept = Some(KeptCosignature { checkpoint, at });
        assert_eq!(read_kept(&dir, &verifier, &witness).unwrap(), kept);
        for wrong in ["", &note, &cosigned.replacen("\n7\n", "\n8\n", 1)] {
            keep(&dir, &witness, wrong).unwrap();
            let error = read_kept(&dir, &verifier, &witness).unwrap_err();
            assert!(
                ["witness_record", "witness_key"].contains(&error.label()),
                "{error}"
            );
        }
    }
}
