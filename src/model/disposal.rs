//! Disposal: deletion by rule, decided by two people, as an office's log has it (docs/formats.md). Field names are part of the format.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{ActReference, Decider, EvidenceId, Explain, RetryClass, StationName};

/// A person proposed that an item is deleted, since its class has run out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposalProposed {
    /// The station that took it.
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The rule: a class of office.toml, and its days from `sealed` on.
    pub class: String,
    pub days: u32,
    /// When the station took it in.
    pub sealed: Timestamp,
    /// The person says that they have reviewed it, which its class asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reviewed: bool,
    #[serde(flatten)]
    pub by: Decider,
}

/// Another person approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposalApproved {
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The act that proposed it.
    pub proposal: ActReference,
    #[serde(flatten)]
    pub by: Decider,
}

/// A person took a proposal back, approved or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposalWithdrawn {
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The act that proposed it.
    pub proposal: ActReference,
    #[serde(flatten)]
    pub by: Decider,
}

/// An item was deleted by rule, and the store was asked whether it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemDisposed {
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The rule, as the proposal has it.
    pub class: String,
    pub days: u32,
    pub sealed: Timestamp,
    /// The acts that proposed and approved it, with the names of the people.
    pub proposal: ActReference,
    pub proposed_by: String,
    pub approval: ActReference,
    pub approved_by: String,
    /// What was deleted: none of it was there when the office asked the store itself, and nothing else of its name.
    pub versions: Vec<DisposedVersion>,
    /// When the disposer had deleted everything, and when the office saw that it was gone.
    pub gone_at: Timestamp,
    pub seen_gone: Timestamp,
}

/// One version of an object of an item that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposedVersion {
    /// Below the item's name in the bucket.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// It was no object, but a deletion that lay over one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion: bool,
}

/// What a station has learned of an item's deletion by rule, from the log of the office that it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedDisposal {
    /// The office's `item.disposed`.
    pub act: ActReference,
    pub class: String,
    pub proposed_by: String,
    pub approved_by: String,
    /// When the office saw that it was gone.
    pub on: Timestamp,
}

impl NotedDisposal {
    pub fn of(act: ActReference, disposed: &ItemDisposed) -> Self {
        Self {
            act,
            class: disposed.class.clone(),
            proposed_by: disposed.proposed_by.clone(),
            approved_by: disposed.approved_by.clone(),
            on: disposed.seen_gone,
        }
    }
}

impl fmt::Display for NotedDisposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "disposed under the class {:?} by {:?}, approved by {:?}, on {} (entry {} of the log of {})",
            self.class, self.proposed_by, self.approved_by, self.on, self.act.index, self.act.log
        )
    }
}

/// What the disposer is about to delete, written down before: the object `planned-N.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDisposal {
    pub v: u8,
    pub log: StationName,
    pub evidence: EvidenceId,
    pub versions: Vec<DisposedVersion>,
}

/// What the disposer has deleted: the object `done.json`. The office believes it only as far as the store says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposalRecord {
    pub v: u8,
    pub log: StationName,
    pub evidence: EvidenceId,
    /// The act that approved it, in the office's log.
    pub approval: u64,
    pub gone_at: Timestamp,
    pub versions: Vec<DisposedVersion>,
}

/// What keeps an item from being deleted by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Obstacle {
    #[error("a hold keeps it")]
    Held,
    #[error("the store still locks it")]
    Locked,
    #[error("it needs a review, and nobody has said that there was one")]
    Unreviewed,
    #[error("the same person proposed it")]
    OnePerson,
    #[error("no class of office.toml says how long it stays")]
    ClassUnknown,
    #[error("its class has not run out")]
    NotDue,
    #[error("it is shared with somebody")]
    Shared,
    #[error("its class is another one than the proposal says")]
    ClassChanged,
    #[error("nobody has proposed to delete it")]
    NotProposed,
    #[error("nobody has approved to delete it")]
    NotApproved,
    #[error("its approval is not old enough")]
    TooSoon,
    #[error("no witness has cosigned the office's log up to its approval")]
    NotWitnessed,
    #[error("the log of its station was rewritten, and nobody has decided about that")]
    LogFrozen,
    #[error("the clock of this machine is not synchronised")]
    Clock,
    #[error("an act about it is of a kind that this version does not understand")]
    ActUnknown,
    #[error("the store has no original or no manifest of it, or those of another item")]
    NotThere,
    #[error("it was deleted by rule already")]
    Disposed,
}

impl Explain for Obstacle {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Locked | Self::NotDue | Self::TooSoon | Self::NotWitnessed => RetryClass::Later,
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Held => "disposal_held",
            Self::Locked => "disposal_locked",
            Self::Unreviewed => "disposal_unreviewed",
            Self::OnePerson => "disposal_one_person",
            Self::ClassUnknown => "disposal_class_unknown",
            Self::NotDue => "disposal_not_due",
            Self::Shared => "disposal_shared",
            Self::ClassChanged => "disposal_class_changed",
            Self::NotProposed => "disposal_not_proposed",
            Self::NotApproved => "disposal_not_approved",
            Self::TooSoon => "disposal_too_soon",
            Self::NotWitnessed => "disposal_not_witnessed",
            Self::LogFrozen => "disposal_log_frozen",
            Self::Clock => "disposal_clock",
            Self::ActUnknown => "disposal_act_unknown",
            Self::NotThere => "disposal_not_there",
            Self::Disposed => "disposal_done",
        }
    }

    fn next_step(&self) -> String {
        super::codes::find(self.label()).map_or_else(String::new, |code| code.next_step.to_owned())
    }
}

/// Whether two decisions came from one person: by the name that was given, or because the kernel names one user for both commands.
pub fn is_one_person(one: &Decider, other: &Decider) -> bool {
    let name = |by: &Decider| {
        let words: Vec<_> = by
            .operator
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        words.join(" ")
    };
    let same_user = one.peer.starts_with("uid ") && one.peer == other.peer;
    name(one) == name(other) || same_user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Digest;

    #[test]
    fn one_person_is_known_by_the_name_however_written_and_by_the_kernels_user() {
        let by = |operator: &str, peer: &str| Decider {
            operator: operator.into(),
            peer: peer.into(),
            reason_sha256: Sha256Digest([0; 32]),
        };
        let shah = by("M. Shah", "uid 1000 (shah)");
        assert!(is_one_person(&shah, &by(" m.  SHAH", "web 10.0.0.5")));
        assert!(is_one_person(&shah, &by("J. Byrne", "uid 1000 (shah)")));
        assert!(!is_one_person(&shah, &by("J. Byrne", "uid 1001 (byrne)")));
        let page = by("M. Shah", "web 10.0.0.5");
        assert!(!is_one_person(&page, &by("J. Byrne", "web 10.0.0.5")));
    }
}
