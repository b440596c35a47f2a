//! Holds: an item stays, whatever its class says. As an office's log has them (docs/formats.md); field names are part of the format.

use serde::{Deserialize, Serialize};

use super::{ActReference, Decider, EvidenceId, StationName};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlaced {
    /// The station that took the item.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The objects that the store said were under legal hold, when it was asked after setting it.
    pub objects: Vec<HeldObject>,
    /// Those of which it did not say so; the office goes on trying.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_held: Vec<String>,
    #[serde(flatten)]
    pub by: Decider,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldObject {
    /// Below the item's name in the bucket.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// A hold ends. The legal hold of the item's objects is taken off afterwards, if no other hold keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLifted {
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The act that placed it.
    pub hold: ActReference,
    #[serde(flatten)]
    pub by: Decider,
}
