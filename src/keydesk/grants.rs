//! Acts that ask for an item's key, and what they are granted.

use jiff::Timestamp;

use crate::model::{Entry, Event, EvidenceId, ShareId, StationName};
use crate::seal::Recipient;

/// An `item.viewed` that names the person's own key, or an `item.shared`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskingAct {
    /// In the office's log.
    pub index: u64,
    pub time: Timestamp,
    pub station: StationName,
    pub evidence: EvidenceId,
    pub fingerprint: String,
    pub asked: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// This person looks at it.
    View(String),
    /// It is for the recipient of this share until then.
    Share(ShareId, Timestamp),
}

/// This item's key may be sealed to this person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub index: u64,
    pub station: StationName,
    pub evidence: EvidenceId,
    /// By name.
    pub to: String,
    pub key: Recipient,
    /// `None`: to look at it.
    pub share: Option<ShareId>,
}

/// What the entry asks for.
pub fn asked(index: u64, entry: Entry) -> Option<AskingAct> {
    let time = entry.time;
    match entry.event {
        Event::ItemViewed(viewed) => Some(AskingAct {
            index,
            time,
            station: viewed.log,
            evidence: viewed.evidence,
            fingerprint: viewed.key?,
            asked: Asked::View(viewed.by.operator),
        }),
        Event::ItemShared(shared) => Some(AskingAct {
            index,
            time,
            station: shared.log,
            evidence: shared.evidence,
            fingerprint: shared.to,
            asked: Asked::Share(shared.share, shared.until),
        }),
        _ => None,
    }
}
