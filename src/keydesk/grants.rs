//! Acts that ask for an item's key, and what they are granted.

use jiff::Timestamp;

use crate::model::{Entry, Event, EvidenceId, StationName};
use crate::seal::Recipient;

/// An `item.viewed` that names the person's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewAct {
    /// In the office's log.
    pub index: u64,
    pub time: Timestamp,
    pub station: StationName,
    pub evidence: EvidenceId,
    pub person: String,
    pub fingerprint: String,
}

/// This item's key may be sealed to this person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub index: u64,
    pub station: StationName,
    pub evidence: EvidenceId,
    pub person: String,
    pub key: Recipient,
}

/// What the entry asks for.
pub fn asked(index: u64, entry: Entry) -> Option<ViewAct> {
    let Event::ItemViewed(viewed) = entry.event else {
        return None;
    };
    Some(ViewAct {
        index,
        time: entry.time,
        station: viewed.log,
        evidence: viewed.evidence,
        person: viewed.by.operator,
        fingerprint: viewed.key?,
    })
}
