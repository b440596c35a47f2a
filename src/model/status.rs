use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BayView, ClockState, ItemState, Part, StationName};

/// Everything that `camdock status` and the pages show of a running station.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusView {
    pub station: StationName,
    pub version: String,
    pub time: Timestamp,
    pub bays: Vec<BayView>,
    pub outbound: OutboundView,
    pub items: Vec<StateTotal>,
    pub log_entries: u64,
    pub spool_free_bytes: Option<u64>,
    pub clock: ClockState,
    /// By bay: why a camera whose footage is all stored could not be wiped. No matter of the evidence.
    #[serde(default)]
    pub wiping: BTreeMap<String, Problem>,
    /// How the log stands with its witnesses; `None` where none are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnessing: Option<WitnessingView>,
}

/// How a log stands with the witnesses of its policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessingView {
    /// A bay is safe only once the quorum has cosigned.
    pub before_safe: bool,
    /// The size of the log that the quorum has cosigned.
    pub quorum_entries: u64,
    /// For how long at least entries have waited for the quorum.
    pub behind_seconds: u64,
    pub witnesses: Vec<WitnessView>,
}

/// How one witness stands to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// In the policy.
    pub name: String,
    /// The size that it has cosigned last; 0: none.
    pub cosigned_entries: u64,
    /// As the witness says.
    pub cosigned_at: Option<Timestamp>,
    pub problem: Option<Problem>,
}

impl WitnessingView {
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.witnesses.iter().filter_map(|w| w.problem.as_ref())
    }
}

/// The items that are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTotal {
    pub state: ItemState,
    pub items: u64,
    /// Bytes of plaintext.
    pub bytes: u64,
}

impl StatusView {
    /// Somebody has to do something about it.
    pub fn needs_person(&self) -> bool {
        self.bays.iter().any(|bay| bay.status.needs_person())
            || self.outbound.problem.is_some()
            || !self.outbound.alarms.is_empty()
            || self.outbound.previews.problem.is_some()
            || !self.wiping.is_empty()
            || (self.witnessing.iter()).any(|w| w.problems().any(|problem| problem.needs_person))
    }
}

/// The state of the uploads.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OutboundView {
    /// By evidence id.
    pub at_work: BTreeMap<String, UploadProgress>,
    /// The reason why the uploads cannot continue, if so.
    pub problem: Option<Problem>,
    /// Items that need a person, by evidence id.
    pub alarms: BTreeMap<String, Problem>,
    #[serde(default)]
    pub previews: PreviewView,
}

/// One item that is being uploaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UploadProgress {
    pub file: String,
    /// Sealed bytes that the store has taken.
    pub bytes_done: u64,
    pub bytes_total: u64,
}

/// The state of the previews.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PreviewView {
    /// By evidence id and part.
    pub at_work: BTreeMap<String, PreviewProgress>,
    pub problem: Option<Problem>,
}

/// One preview that is being made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreviewProgress {
    pub file: String,
    pub part: Part,
    /// Milliseconds of footage.
    pub done_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub reason: String,
    pub next_step: String,
    pub since: Timestamp,
    /// It will not pass by itself.
    pub needs_person: bool,
}

/// The result of the last `camdock verify` of this station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub time: Timestamp,
    pub ok: bool,
    /// The number of findings; 0 also in files of earlier versions.
    #[serde(default)]
    pub findings: u64,
}

/// The gaps that the last `camdock audit gaps` of this station found, without those that an operator explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    pub time: Timestamp,
    /// The number of gaps of each kind, by its code; kinds without any are there with 0.
    pub gaps: BTreeMap<String, u64>,
}

impl Completeness {
    pub fn total(&self) -> u64 {
        self.gaps.values().sum()
    }
}
