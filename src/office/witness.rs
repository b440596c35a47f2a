//! What the witness has cosigned, and the one step in which it compares, keeps and signs.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::Mutex;
use thiserror::Error;

use super::OfficeError;
use super::acts::{Released, Ruling};
use crate::audit::{
    AddCheckpoint, AuditError, Checkpoint, LogKey, VerifierKey, WitnessKey, has_grown,
};
use crate::durable;
use crate::model::{Contradiction, Sha256Digest, StationName};

/// The latest cosigned checkpoint.
const LATEST: &str = "checkpoint";
/// When the log last grew, in RFC 3339. A cosignature's own time is renewed whenever somebody asks for the same checkpoint again.
const GROWN: &str = "grown";
/// The two signed checkpoints that contradict each other: the proof that a log was rewritten.
const EARLIER: &str = "rewritten-earlier";
const LATER: &str = "rewritten-later";

pub struct Witness {
    key: LogKey,
    public: WitnessKey,
    /// By origin.
    logs: HashMap<String, WitnessedLog>,
}

pub struct WitnessedLog {
    pub station: StationName,
    pub verifier: VerifierKey,
    dir: PathBuf,
    record: Mutex<WitnessRecord>,
}

#[derive(Default)]
struct WitnessRecord {
    latest: Option<Cosigned>,
    /// The log was rewritten: nothing of it is cosigned until a person has decided.
    frozen: bool,
    /// The log was retired: nothing that is added to it is cosigned.
    closed: bool,
    /// The bucket was asked for what this witness had cosigned before. Without a record of its own, it cosigns nothing sooner:
    /// a lost record must not make it trust anew.
    recalled: bool,
    grown_at: Option<Timestamp>,
}

/// A checkpoint with this witness's cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    pub checkpoint: Checkpoint,
    pub note: String,
    pub at: Timestamp,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Error)]
pub enum CosignRefusal {
    #[error("the request is malformed")]
    Malformed(#[source] AuditError),
    #[error("no log of this origin is witnessed here")]
    UnknownLog,
    #[error("the checkpoint has no signature by the log's key")]
    Unsigned(#[source] AuditError),
    #[error("the old size is larger than the checkpoint's")]
    OldTooLarge,
    /// The size that was cosigned last.
    #[error("the log was last cosigned with {0} entries")]
    OtherSize(u64),
    #[error("the proof does not show that the log has grown")]
    NotGrown,
    /// Both checkpoints are kept.
    #[error("another checkpoint of this size was cosigned")]
    Contradiction,
    #[error("this log was rewritten and is not cosigned until a person has decided")]
    Frozen,
    #[error("this log was closed: nothing that is added to it is cosigned")]
    Closed,
    #[error("the bucket has not yet told what this witness had cosigned of the log before")]
    NotRecalled,
    #[error("the witness cannot keep what it has seen")]
    Record(#[from] OfficeError),
}

impl Witness {
    pub fn new(name: &str, key: LogKey) -> Result<Self, AuditError> {
        Ok(Self {
            public: key.witness(name)?,
            key,
            logs: HashMap::new(),
        })
    }

    pub fn add(&mut self, log: WitnessedLog) -> Result<(), OfficeError> {
        let origin = log.verifier.name().to_owned();
        match self.logs.insert(origin.clone(), log) {
            None => Ok(()),
            Some(_) => Err(OfficeError::SameOrigin { origin }),
        }
    }

    /// Cosigns nothing that is added to logs whose key `is_closed`.
    pub fn close_ruled(&self, is_closed: impl Fn(&str) -> bool) {
        for log in self.logs.values() {
            log.record.lock().closed = is_closed(&log.verifier.to_string());
        }
    }

    pub fn public(&self) -> &WitnessKey {
        &self.public
    }

    pub fn log(&self, origin: &str) -> Option<&WitnessedLog> {
        self.logs.get(origin)
    }

    /// The log whose origin has this SHA-256.
    pub fn log_of_hash(&self, hash: &str) -> Option<&WitnessedLog> {
        let mut logs = self.logs.iter();
        logs.find(|(origin, _)| Sha256Digest::of(origin.as_bytes()).to_string() == hash)
            .map(|(_, log)| log)
    }

    /// Answers a request of C2SP tlog-witness: the signature line, once the checkpoint is durably kept.
    pub fn answer(&self, body: &str, now: Timestamp) -> Result<String, CosignRefusal> {
        let request = AddCheckpoint::parse(body).map_err(CosignRefusal::Malformed)?;
        let origin = request.note.lines().next().unwrap_or_default();
        let log = self.logs.get(origin).ok_or(CosignRefusal::UnknownLog)?;
        let checkpoint = log
            .verifier
            .open(request.note)
            .map_err(CosignRefusal::Unsigned)?;
        if request.old > checkpoint.size {
            return Err(CosignRefusal::OldTooLarge);
        }
        let mut record = log.record.lock();
        let known = record.latest.as_ref().map(|latest| &latest.checkpoint);
        if record.frozen {
            return Err(CosignRefusal::Frozen);
        }
        if record.closed {
            return Err(CosignRefusal::Closed);
        }
        if known.is_none() && !record.recalled {
            return Err(CosignRefusal::NotRecalled);
        }
        let size = known.map_or(0, |known| known.size);
        if request.old != size {
            return Err(CosignRefusal::OtherSize(size));
        }
        if let Some(known) = known
            && known.size == checkpoint.size
            && known.root != checkpoint.root
        {
            log.freeze(&mut record, request.note)?;
            return Err(CosignRefusal::Contradiction);
        }
        if !has_grown(known, &checkpoint, &request.proof) {
            return Err(CosignRefusal::NotGrown);
        }
        let cosigned = self.cosign(log, &mut record, request.note, checkpoint, now)?;
        let line = cosigned.note.lines().last().unwrap_or_default();
        Ok(format!("{line}\n"))
    }

    /// Compares, keeps and signs under one lock: `record` is that of `log`.
    fn cosign(
        &self,
        log: &WitnessedLog,
        record: &mut WitnessRecord,
        note: &str,
        checkpoint: Checkpoint,
        now: Timestamp,
    ) -> Result<Cosigned, OfficeError> {
        // Signatures of others are not this witness's to pass on.
        let note = log.verifier.only_signature(note)?;
        let line = self.key.cosign(self.public.name(), &note, now)?;
        let cosigned = Cosigned {
            checkpoint,
            note: note + &line,
            at: now,
        };
        durable::create_dir(&log.dir)?;
        let before = record.latest.as_ref().map(|latest| latest.checkpoint.size);
        if before != Some(cosigned.checkpoint.size) {
            durable::write_atomic(&log.dir.join(GROWN), now.to_string().as_bytes())?;
            record.grown_at = Some(now);
        }
        durable::write_atomic(&log.dir.join(LATEST), cosigned.note.as_bytes())?;
        record.latest = Some(cosigned.clone());
        Ok(cosigned)
    }
}

impl WitnessedLog {
    /// With what was kept below `dir`.
    pub fn open(
        dir: &Path,
        station: StationName,
        verifier: VerifierKey,
        own: &WitnessKey,
    ) -> Result<Self, OfficeError> {
        let hash = Sha256Digest::of(verifier.name().as_bytes());
        let log = Self {
            dir: dir.join(hash.to_string()),
            station,
            verifier,
            record: Mutex::default(),
        };
        let kept = log.kept(LATEST)?;
        let latest = kept.map(|note| log.read(note, own)).transpose()?;
        let grown = log.kept(GROWN)?.and_then(|text| text.parse().ok());
        // A time that has not come yet, as of a clock that was wrong, must not hold off the alarm of silence.
        let grown_at = grown
            .or(latest.as_ref().map(|latest| latest.at))
            .map(|at| at.min(Timestamp::now()));
        *log.record.lock() = WitnessRecord {
            latest,
            frozen: log.kept(LATER)?.is_some(),
            closed: false,
            recalled: false,
            grown_at,
        };
        Ok(log)
    }

    fn kept(&self, name: &str) -> Result<Option<String>, OfficeError> {
        match fs::read_to_string(self.dir.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OfficeError::ReadRecord {
                station: self.station.clone(),
                source,
            }),
        }
    }

    /// A note that this witness has cosigned before, from wherever it was kept.
    pub fn read(&self, note: String, own: &WitnessKey) -> Result<Cosigned, OfficeError> {
        let wrong = |what: String| OfficeError::OwnRecord {
            station: self.station.clone(),
            what,
        };
        let checkpoint = self
            .verifier
            .open(&note)
            .map_err(|e| wrong(e.to_string()))?;
        match own.cosigned(&note) {
            Ok(Some(at)) => Ok(Cosigned {
                checkpoint,
                note,
                at,
            }),
            Ok(None) => Err(wrong("it has no cosignature by this witness".into())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    pub fn latest(&self) -> Option<Cosigned> {
        self.record.lock().latest.clone()
    }

    /// When the log last grew; `None` before its first checkpoint.
    pub fn grown_at(&self) -> Option<Timestamp> {
        self.record.lock().grown_at
    }

    /// The bucket has told what this witness had cosigned before, be it nothing.
    pub fn set_recalled(&self) {
        self.record.lock().recalled = true;
    }

    pub fn frozen(&self) -> bool {
        self.record.lock().frozen
    }

    pub fn closed(&self) -> bool {
        self.record.lock().closed
    }

    /// The checkpoints that contradict each other, while the log is frozen.
    pub fn contradiction(&self) -> Result<Option<Contradiction>, OfficeError> {
        let both = (self.kept(EARLIER)?, self.kept(LATER)?);
        Ok(match both {
            (Some(earlier), Some(later)) => Some(Contradiction { earlier, later }),
            _ => None,
        })
    }

    /// Takes back what this witness had cosigned before it lost its own record. It never goes back to less.
    pub fn take_back(&self, cosigned: Cosigned) -> Result<(), OfficeError> {
        let mut record = self.record.lock();
        if (record.latest.as_ref()).is_some_and(|l| l.checkpoint.size >= cosigned.checkpoint.size) {
            return Ok(());
        }
        durable::create_dir(&self.dir)?;
        durable::write_atomic(&self.dir.join(LATEST), cosigned.note.as_bytes())?;
        record.grown_at = Some(cosigned.at.min(Timestamp::now()));
        record.latest = Some(cosigned);
        Ok(())
    }

    /// Keeps the checkpoint that contradicts the latest cosigned one, and cosigns nothing of this log any more.
    pub fn keep_contradiction(&self, note: &str) -> Result<(), OfficeError> {
        self.freeze(&mut self.record.lock(), note)
    }

    fn freeze(&self, record: &mut WitnessRecord, note: &str) -> Result<(), OfficeError> {
        if record.frozen {
            return Ok(());
        }
        durable::create_dir(&self.dir)?;
        let earlier = record.latest.as_ref().map_or("", |latest| &latest.note);
        durable::write_atomic(&self.dir.join(EARLIER), earlier.as_bytes())?;
        durable::write_atomic(&self.dir.join(LATER), note.as_bytes())?;
        record.frozen = true;
        Ok(())
    }

    /// Brings the record in line with the acts that are in effect. Each is carried out once, also after a lost disk.
    pub fn obey(&self, witness: &Witness, ruling: &Ruling) -> Result<(), OfficeError> {
        let mut record = self.record.lock();
        if let Some(released) = &ruling.released {
            self.release(witness, &mut record, released, ruling.before.as_ref())?;
        }
        // A release that was carried out holds, even where it is not known any more that it was published.
        let carried_out = match ruling.pending {
            Some(index) => self.kept(&format!("released-{index}-later"))?.is_some(),
            None => false,
        };
        if let Some((_, proof)) = &ruling.frozen
            && !record.frozen
            && !carried_out
        {
            let proof = proof.as_ref();
            durable::create_dir(&self.dir)?;
            for (name, note) in [
                (EARLIER, proof.map_or("", |proof| &proof.earlier)),
                (LATER, proof.map_or("", |proof| &proof.later)),
            ] {
                durable::write_atomic(&self.dir.join(name), note.as_bytes())?;
            }
            record.frozen = true;
        }
        record.closed = ruling.closed.is_some();
        Ok(())
    }

    /// The log is believed again from the checkpoint that the act names. Both contradicting ones stay, under other names.
    fn release(
        &self,
        witness: &Witness,
        record: &mut WitnessRecord,
        released: &Released,
        before: Option<&Contradiction>,
    ) -> Result<(), OfficeError> {
        let name = |which| format!("released-{}-{which}", released.index);
        let later_name = name("later");
        if self.kept(&later_name)?.is_some() {
            return Ok(());
        }
        let from = &released.act.from;
        let is_it =
            |checkpoint: &Checkpoint| checkpoint.size == from.size && checkpoint.root == from.root;
        let (earlier, later) = match (record.frozen, self.contradiction()?, before) {
            (true, Some(both), _) => (both.earlier, both.later),
            (_, _, Some(both)) => (both.earlier.clone(), both.later.clone()),
            _ => (String::new(), String::new()),
        };
        // A record that was lost may have come back with what was cosigned after the release.
        let since =
            |latest: &Cosigned| !record.frozen && latest.at.as_second() >= released.at.as_second();
        let latest = record.latest.as_ref();
        if from.size > 0 && !latest.is_some_and(|l| is_it(&l.checkpoint) || since(l)) {
            let signed = self.verifier.open(&later).ok().filter(is_it);
            let signed = signed.ok_or_else(|| OfficeError::OwnRecord {
                station: self.station.clone(),
                what: format!(
                    "the act {} names a checkpoint of {} entries, and it is not kept here",
                    released.index, from.size
                ),
            })?;
            witness.cosign(self, record, &later, signed, Timestamp::now())?;
        }
        durable::create_dir(&self.dir)?;
        durable::write_atomic(&self.dir.join(name("earlier")), earlier.as_bytes())?;
        if record.frozen {
            durable::rename_new(&self.dir.join(LATER), &self.dir.join(later_name))?;
            durable::remove(&self.dir.join(EARLIER))?;
            record.frozen = false;
        } else {
            durable::write_atomic(&self.dir.join(later_name), later.as_bytes())?;
        }
        Ok(())
    }

    /// Where the record lies, and the standing beside it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
