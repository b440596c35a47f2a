//! Requests to wipe a camera, their proofs, and the result for each file, as the service, the root helper and the log exchange
//! them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CameraId, EvidenceId, Sha256Digest, SourcePath};

/// The proof required before a file may be deleted from its camera. Ordered: each level asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WipeLevel {
    /// The station's own receipt from the store.
    Stored,
    /// Besides, an independent reader has read the object back and signed that it did.
    Confirmed,
}

impl WipeLevel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Two entries of the custody log with the receipt of each, as text; nothing of it is believed before it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WipeProof {
    /// `item.sealed`: names path, size, time, plaintext digest and camera.
    pub sealed: String,
    pub sealed_receipt: String,
    /// `item.stored`: names object, version, checksum and retention.
    pub stored: String,
    pub stored_receipt: String,
    /// The signed note of a confirmer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

/// One medium of a docked USB disk, and the files to delete from it, each with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WipeRequest {
    pub v: u8,
    /// The folder below the media folder, which is the port's name.
    pub port: String,
    pub level: WipeLevel,
    /// Compare the SHA-256 of what lies on the camera now.
    pub rehash: bool,
    pub files: Vec<WipeProof>,
}

impl WipeRequest {
    /// Bytes of a request that are read at most.
    pub const BYTES_MAX: u64 = 16 << 20;
    /// Each is held open from its check to its end.
    pub const FILES_MAX: usize = 128;
}

/// The facts that both receipts of one file prove together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub evidence: EvidenceId,
    pub camera: CameraId,
    pub path: SourcePath,
    pub size: u64,
    pub modified: Option<Timestamp>,
    /// The digest of the plaintext.
    pub sha256: Sha256Digest,
}

/// The result for one file. Field names are part of the log's format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SourcePath>,
    /// `false`: it was left as it is.
    pub wiped: bool,
    /// The reason why it was left; stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl WipeResult {
    pub fn wiped(proven: &Proven) -> Self {
        Self {
            evidence: Some(proven.evidence),
            path: Some(proven.path.clone()),
            wiped: true,
            code: None,
            reason: None,
        }
    }

    pub fn left(proven: &Proven, left: &Left) -> Self {
        Self {
            wiped: false,
            ..Self::nameless(left)
        }
        .of(proven)
    }

    /// Left, and its proof does not even say what it is.
    pub fn nameless(left: &Left) -> Self {
        Self {
            evidence: None,
            path: None,
            wiped: false,
            code: Some(left.code.to_owned()),
            reason: Some(left.reason.clone()),
        }
    }

    /// The item whose file was deleted.
    pub fn deleted(&self) -> Option<EvidenceId> {
        self.evidence.filter(|_| self.wiped)
    }

    fn of(self, proven: &Proven) -> Self {
        Self {
            evidence: Some(proven.evidence),
            path: Some(proven.path.clone()),
            ..self
        }
    }
}

/// The reason why a file was left on its camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Stable and of low cardinality.
    pub code: &'static str,
    /// One clause.
    pub reason: String,
}

impl Left {
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// The helper's answer: one result for each file of the request, in its order; none at all with `refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeAnswer {
    /// The reason why the whole request was refused; then nothing was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// A fact that an operator should look at although the work was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WipeResult>,
}

impl WipeAnswer {
    pub const BYTES_MAX: u64 = 16 << 20;

    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            refused: Some(reason.into()),
            warnings: Vec::new(),
            files: Vec::new(),
        }
    }
}
