//! Classes of retention and locks that were renewed, as an office's log has them (docs/formats.md). Field names are part of the format.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActReference, Decider, EvidenceId, StationName};

/// A person said by which rule of office.toml an item stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemClassified {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    pub class: String,
    /// The act that said another class before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<ActReference>,
    #[serde(flatten)]
    pub by: Decider,
}

/// The locks of an item's objects were made longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionExtended {
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The end of the lock that ends first, as the store said it afterwards, and its mode.
    pub until: Timestamp,
    pub mode: String,
    /// How many of its objects the store was asked about, each in all its versions.
    pub objects: u64,
    /// The class that wanted it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// A hold wanted it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}
