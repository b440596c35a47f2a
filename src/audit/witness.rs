//! A witness (C2SP tlog-witness, tlog-cosignature with Ed25519), which signs that a log only grew.
//!
//! A cosignature says nothing about the content of the entries.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::checkpoint::{parse_decimal, parse_hash};
use super::keys::{self, LogKey};
use super::proof::TileTree;
use super::tree::{Hash, consistency_holds, empty_root};
use super::{AuditError, Checkpoint, LogSource, note};

/// The key type of timestamped Ed25519 cosignatures.
const COSIGNATURE_TYPE: u8 = 4;
/// A log of 2^64 entries needs no longer proof.
const PROOF_MAX: usize = 63;

/// A witness's public key with its name, written `name+keyid+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: [u8; 32],
}

/// The text that a witness signs for a note, in `cosignature/v1`.
fn message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl LogKey {
    /// The key that others check this witness's cosignatures with. A key that cosigns must sign nothing else.
    pub fn witness(&self, name: &str) -> Result<WitnessKey, AuditError> {
        WitnessKey::new(name, self.public())
    }

    /// A signature line for a note, with its newline: this log only grew, as seen at `time`.
    pub fn cosign(&self, name: &str, note: &str, time: Timestamp) -> Result<String, AuditError> {
        let key = self.witness(name)?;
        let seconds = u64::try_from(time.as_second())
            .map_err(|_| AuditError::Key("the clock is before 1970"))?;
        let text = note::parse(note)?.text;
        let signature = self.signature(&message(text, seconds));
        let bytes = [&seconds.to_be_bytes()[..], &signature].concat();
        Ok(note::line(&key.name, key.id(), &bytes))
    }
}

impl WitnessKey {
    fn new(name: &str, public: [u8; 32]) -> Result<Self, AuditError> {
        if !note::is_name(name) {
            return Err(AuditError::Key("its name is empty or holds a space or `+`"));
        }
        Ok(Self {
            name: name.to_owned(),
            public,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        keys::key_id(&self.name, COSIGNATURE_TYPE, &self.public)
    }

    /// When this witness cosigned the note; `None` when it did not. A wrong signature by its key is an error.
    pub fn cosigned(&self, note: &str) -> Result<Option<Timestamp>, AuditError> {
        let note = note::parse(note)?;
        let id = self.id();
        let ours = |s: &&note::Signature<'_>| s.name == self.name && s.key_id == id;
        let Some(found) = note.signatures.iter().find(ours) else {
            return Ok(None);
        };
        let wrong = || AuditError::BadSignature {
            name: self.name.clone(),
        };
        let (time, signature) = found.bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let time = u64::from_be_bytes(*time);
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(&message(note.text, time), signature)
            .map_err(|_| wrong())?;
        let time = i64::try_from(time).map_err(|_| wrong())?;
        Timestamp::from_second(time).map(Some).map_err(|_| wrong())
    }

    /// The signed note with this witness's cosignature out of an answer's signature lines, and when it was made. `None`: no
    /// line is by this key. What others signed is left out.
    pub fn take_cosignature(
        &self,
        signed: &str,
        answer: &str,
    ) -> Result<Option<(String, Timestamp)>, AuditError> {
        let all = format!("{signed}{answer}");
        let id = self.id();
        let mut lines = note::parse(&all)?.signatures.into_iter();
        let Some(ours) = lines.find(|s| s.name == self.name && s.key_id == id) else {
            return Ok(None);
        };
        // Checked with the note as it was sent: the answer may hold another text.
        let cosigned = signed.to_owned() + &note::line(&self.name, id, &ours.bytes);
        let at = self.cosigned(&cosigned)?;
        Ok(at.map(|at| (cosigned, at)))
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&keys::written(&self.name, COSIGNATURE_TYPE, &self.public))
    }
}

impl FromStr for WitnessKey {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, public) = keys::read(text, COSIGNATURE_TYPE)?;
        Self::new(&name, public)
    }
}

/// A request of C2SP tlog-witness, `POST /add-checkpoint`.
#[derive(Debug, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size that the log believes to have been cosigned last.
    pub old: u64,
    pub proof: Vec<Hash>,
    /// The signed checkpoint, not verified yet.
    pub note: &'a str,
}

impl<'a> AddCheckpoint<'a> {
    pub fn parse(body: &'a str) -> Result<Self, AuditError> {
        const WRONG: AuditError = AuditError::Note(
            "a request is `old <size>`, the hashes of a proof, an empty line and a checkpoint",
        );
        let (head, note) = body.split_once("\n\n").ok_or(WRONG)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(parse_decimal).ok_or(WRONG)?;
        let proof = lines
            .take(PROOF_MAX + 1)
            .map(|line| parse_hash(line).map(|digest| digest.0).ok_or(WRONG))
            .collect::<Result<Vec<_>, _>>()?;
        if proof.len() > PROOF_MAX {
            return Err(AuditError::Note("the proof is longer than any can be"));
        }
        Ok(Self { old, proof, note })
    }

    /// The body of such a request.
    pub fn body(old: u64, proof: &[Hash], note: &str) -> String {
        let mut body = format!("old {old}\n");
        for hash in proof {
            body.push_str(&STANDARD.encode(hash));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(note);
        body
    }
}

/// Whether `proof` shows that the log of `new` begins with that of `old`; without `old`, every log has grown from nothing.
pub fn has_grown(old: Option<&Checkpoint>, new: &Checkpoint, proof: &[Hash]) -> bool {
    let empty = empty_root();
    let old = old.map_or((0, &empty), |old| (old.size, &old.root.0));
    consistency_holds(old, (new.size, &new.root.0), proof)
}

/// Shows that the log of `new` continues from its own first `old` entries.
pub fn consistency_proof(
    source: &dyn LogSource,
    old: u64,
    new: &Checkpoint,
) -> Result<Vec<Hash>, AuditError> {
    TileTree::new(source, new.size).consistency(old)
}

/// The relation of a log to an older signed checkpoint of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogGrowth {
    /// It begins with the older one; the proof shows it.
    Grown(Vec<Hash>),
    /// It does not: both checkpoints are signed, and they cannot both be true.
    Rewritten,
    /// The log's own tiles do not lead to its signed root: nothing can be said.
    TilesUnfit,
}

/// Compares a log with an older and not longer checkpoint of it, by the log's tiles.
pub fn growth(
    source: &dyn LogSource,
    old: &Checkpoint,
    new: &Checkpoint,
) -> Result<LogGrowth, AuditError> {
    let tree = TileTree::new(source, new.size);
    let beginning = match old.size {
        0 => empty_root(),
        size => tree.root_of_first(size)?,
    };
    let proof = tree.consistency(old.size)?;
    // The proof ties the beginning to the signed root. Only then does another root of that size contradict it.
    Ok(
        if !consistency_holds((old.size, &beginning), (new.size, &new.root.0), &proof) {
            LogGrowth::TilesUnfit
        } else if beginning == old.root.0 {
            LogGrowth::Grown(proof)
        } else {
            LogGrowth::Rewritten
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::DirSource;
    use crate::audit::log::Log;
    use crate::model::Sha256Digest;

    const ORIGIN: &str = "example.org/station";

    fn log(dir: &std::path::Path, key: &[u8], entries: &[&str]) -> (DirSource, Vec<Checkpoint>) {
        let key = LogKey::from_pkcs8(key).unwrap();
        let verifier = key.verifier(ORIGIN).unwrap();
        let mut log = Log::open(dir, key, ORIGIN).unwrap();
        let mut checkpoints = Vec::new();
        for entry in entries {
            log.append(&[format!("{{\"v\":\"{entry}\"}}").into_bytes()])
                .unwrap();
            checkpoints.push(verifier.open(log.note()).unwrap());
        }
        log.close().unwrap();
        (DirSource::new(dir), checkpoints)
    }

    #[test]
    fn a_cosignature_is_read_by_its_own_key_and_by_no_other() {
        let key = LogKey::generate().unwrap().0;
        let checkpoint = Checkpoint {
            origin: ORIGIN.into(),
            size: 7,
            root: Sha256Digest::of(b"root"),
        };
        let note = LogKey::generate().unwrap().0.sign(&checkpoint).unwrap();
        let time = Timestamp::from_second(1_800_000_000).unwrap();
        let line = key.cosign("office.example", &note, time).unwrap();
        let cosigned = format!("{note}{line}");
        let public = key.witness("office.example").unwrap();
        assert_eq!(public.to_string().parse::<WitnessKey>().unwrap(), public);
        assert_eq!(public.cosigned(&cosigned).unwrap(), Some(time));
        assert_eq!(public.cosigned(&note).unwrap(), None);
        let other = LogKey::generate().unwrap().0;
        let other = other.witness("office.example").unwrap();
        assert_eq!(other.cosigned(&cosigned).unwrap(), None);
        // A time, a size or a signature that was changed afterwards.
        for (from, to) in [("\n7\n", "\n8\n"), (ORIGIN, "example.org/another")] {
            let changed = cosigned.replacen(from, to, 1);
            assert!(public.cosigned(&changed).is_err(), "{changed}");
        }
        // The type distinguishes a log's key from a witness's key.
        let log_key = key.verifier("office.example").unwrap().to_string();
        assert!(log_key.parse::<WitnessKey>().is_err());
    }

    #[test]
    fn a_cosignature_is_taken_out_of_an_answer_only_when_it_is_for_the_note_that_was_sent() {
        let checkpoint = |size| Checkpoint {
            origin: ORIGIN.into(),
            size,
            root: Sha256Digest::of(b"root"),
        };
        let log = LogKey::generate().unwrap().0;
        let (sent, other) = (
            log.sign(&checkpoint(7)).unwrap(),
            log.sign(&checkpoint(8)).unwrap(),
        );
        let key = LogKey::generate().unwrap().0;
        let witness = key.witness("w").unwrap();
        let stranger = LogKey::generate().unwrap().0;
        let time = Timestamp::from_second(1_800_000_000).unwrap();
        let line = |key: &LogKey, note: &str| key.cosign("w", note, time).unwrap();
        let (ours, theirs) = (line(&key, &sent), line(&stranger, &sent));
        let expected = Some((format!("{sent}{ours}"), time));
        for answer in [ours.clone(), format!("{theirs}{ours}")] {
            assert_eq!(witness.take_cosignature(&sent, &answer).unwrap(), expected);
        }
        for answer in ["", &theirs] {
            assert_eq!(witness.take_cosignature(&sent, answer).unwrap(), None);
        }
        // A longer text that it did sign is not the note that was sent.
        let longer = format!("{sent}\nmore\n\n");
        let smuggled = format!("\nmore\n\n{}", line(&key, &format!("{longer}{ours}")));
        for answer in [
            "\n",
            "nonsense\n",
            ours.trim_end(),
            &line(&key, &other),
            &smuggled,
        ] {
            assert!(
                witness.take_cosignature(&sent, answer).is_err(),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn requests_are_read_as_they_are_written_and_nonsense_is_refused() {
        let proof = vec![[7; 32], [9; 32]];
        let body = AddCheckpoint::body(12, &proof, "example.org\n13\nAAAA\n\n— x AAAA\n");
        let read = AddCheckpoint::parse(&body).unwrap();
        assert_eq!((read.old, &read.proof), (12, &proof));
        assert!(read.note.starts_with("example.org\n13\n"));
        let long = AddCheckpoint::body(1, &vec![[0; 32]; 64], "note");
        for wrong in [
            "",
            "old 1",
            "old 01\n\nnote",
            "old -1\n\nnote",
            "old 1\nAAAA\n\nnote",
            &long,
        ] {
            assert!(AddCheckpoint::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn growth_rewriting_and_tiles_that_do_not_fit_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let key = LogKey::generate().unwrap().1;
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let mut others = names;
        others[1] = "x";
        let (source, grown) = log(&dir.path().join("one"), &key, &names);
        let (rewritten, rewrote) = log(&dir.path().join("two"), &key, &others);
        let (new, new_rewritten) = (&grown[8], &rewrote[8]);
        // Sizes that are powers of two and others.
        for old in &grown[1..] {
            match growth(&source, old, new).unwrap() {
                LogGrowth::Grown(proof) => assert!(has_grown(Some(old), new, &proof)),
                other => panic!("{}: {other:?}", old.size),
            }
            let compared = growth(&rewritten, old, new_rewritten).unwrap();
            assert_eq!(compared, LogGrowth::Rewritten, "{}", old.size);
            // The tiles of one log under the checkpoint of another prove nothing.
            let compared = growth(&rewritten, old, new).unwrap();
            assert_eq!(compared, LogGrowth::TilesUnfit, "{}", old.size);
        }
        assert!(has_grown(None, new, &[]));
        assert!(!has_grown(Some(&grown[4]), new, &[]));
    }
}
