//! The acts of an office, as its own log has them (docs/formats.md). Field names are part of the format: never rename one, only
//! add optional ones.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ClockState, EvidenceId, FileTag, Officer, PackId, Part, Sha256Digest, ShareId, StationName,
    TagChange,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfficeStarted {
    pub version: String,
    pub clock: ClockState,
    /// Entries in the office's log before this one.
    pub log_size: u64,
    /// The key of the office's log, `name+keyid+key`.
    pub log_key: String,
    /// The key that cosigns the logs of others.
    pub witness_key: String,
    /// How many logs are followed.
    pub stations: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfficeStopped {
    pub reason: String,
}

/// A log is in order: it only grew, as far as it was cosigned. It says nothing of what its entries say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogWitnessed {
    pub log: StationName,
    /// The log's key, as the office's configuration has it.
    pub key: String,
    pub size: u64,
    pub root: Sha256Digest,
    pub cosigned_at: Timestamp,
}

/// Something is wrong with a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogAlarm {
    pub log: StationName,
    pub key: String,
    /// Stable label of what was seen.
    pub code: String,
    /// Entries in the checkpoint that was cosigned last.
    pub cosigned: u64,
    /// Entries that the log claims now, where it claims any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where the log was rewritten: both signed checkpoints, which cannot both be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<Contradiction>,
}

/// Two checkpoints that one key signed, of logs that contradict each other. The signed notes are the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    pub earlier: String,
    pub later: String,
}

/// A person retired a station or its key in order. Nothing may be added to the log any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogClosed {
    pub log: StationName,
    pub key: String,
    /// What was cosigned of it; absent when nothing ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<CosignedState>,
    #[serde(flatten)]
    pub by: Decider,
}

/// A person decided from which checkpoint a frozen or closed log is believed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogReleased {
    pub log: StationName,
    pub key: String,
    pub from: CosignedState,
    /// The alarm or the closing that this ends.
    pub supersedes: ActReference,
    #[serde(flatten)]
    pub by: Decider,
}

/// A person asked to look at an item. Its sealed objects are handed out once this is published, and not before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemViewed {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// Where one object alone was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The fingerprint of the person's own key that the item key is to be sealed to, where they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// With the name of the token that was used, and the address that it came from.
    #[serde(flatten)]
    pub by: Decider,
}

/// Somebody outside who proved that they hold a share's key took an item of it. Its sealed objects are handed out once this is
/// published, and not before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareTaken {
    pub share: ShareId,
    /// The station that took it in.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The fingerprint of the recipient's key.
    pub to: String,
    /// The act that shared it.
    pub shared: u64,
    /// The share reader, by the name of its token, and where it says that the request came from.
    pub reader: String,
    pub peer: String,
}

/// A person decided whether an item in quarantine is evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineDecided {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// `false`: it is not evidence of this force, and stays stored as long as its retention says.
    pub accepted: bool,
    /// The decision that this one ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ActReference>,
    #[serde(flatten)]
    pub by: Decider,
}

/// A person said whose item it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficerReassigned {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    pub officer: Officer,
    /// The act that this one ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ActReference>,
    #[serde(flatten)]
    pub by: Decider,
}

/// A person explained a gap: something that is missing between a station's cameras and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapAccepted {
    /// The station whose log has it.
    pub log: StationName,
    /// Its name, as `camdock office gaps` shows it.
    pub gap: String,
    #[serde(flatten)]
    pub by: Decider,
}

/// What a person decides about an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemDecision {
    /// It is evidence like any other.
    Accept,
    /// It is not evidence of this force.
    Reject,
    /// It belongs to another officer than the roster said.
    Reassign(Officer),
    /// What it belongs to.
    Tag(TagChange),
    /// What a dispatch file says that it belongs to. Only the order about such a file makes it; no page and no other order can.
    #[serde(skip)]
    TagFromFile(FileTag),
    /// It stays until this hold is lifted.
    Hold,
    /// It stays by the rule of this class of office.toml.
    Classify { class: String },
    /// A hold ends: the one of this entry, or the only one.
    LiftHold { hold: Option<u64> },
    /// Its class has run out, and it is to be deleted.
    ProposeDisposal {
        /// The person has reviewed it.
        reviewed: bool,
    },
    /// Another person says so, too.
    ApproveDisposal,
    /// It is not to be deleted after all.
    WithdrawDisposal,
}

impl ItemDecision {
    /// Whether it is about deletion by rule.
    pub const fn is_about_disposal(&self) -> bool {
        matches!(
            self,
            Self::ProposeDisposal { .. } | Self::ApproveDisposal | Self::WithdrawDisposal
        )
    }
}

/// An object in the bucket is not as its station's log says; or, where the event says so, it is again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectAlarm {
    /// The station whose objects these are.
    pub log: StationName,
    /// Stable label of what was seen.
    pub code: String,
    /// One with its `key`; without a key, all that are not named one by one.
    pub objects: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    /// What was seen, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// A person set out to put an item into a court pack. Nothing is opened for it before this is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackMade {
    pub pack: PackId,
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    #[serde(flatten)]
    pub by: Decider,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CosignedState {
    pub size: u64,
    pub root: Sha256Digest,
}

/// Who decided, and why. The reason itself is an object of its own, since it may name people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// As typed, or on the pages the name of the token.
    pub operator: String,
    /// What the kernel says of the command's user: `uid 1000 (shah)`; on the pages `web` and the address.
    pub peer: String,
    /// SHA-256 of the object that holds the reason with its salt.
    pub reason_sha256: Sha256Digest,
}

/// An entry of a log of acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActReference {
    pub log: StationName,
    pub index: u64,
}

/// A reason as it lies in the bucket: its salt keeps the commitment from being guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaltedText {
    /// 256 random bits, base64 for URLs.
    pub salt: String,
    pub text: String,
}
