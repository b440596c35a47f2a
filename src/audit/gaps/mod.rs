//! Completeness: compares what a custody log says was on the cameras with what it says became of it.
//!
//! Pure: a [`LogHistory`] takes the entries in order and then names the gaps. It reads no store and no camera; a caller with
//! a listing of the store compares it with [`LogHistory::stored`].

mod find;
mod history;
mod numbering;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::model::{CameraId, EvidenceId, Officer, SessionId};

pub use history::{LogHistory, LoggedObject};

/// The kind of a gap. JSON, metrics and people know it by its problem code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// The log calls it stored, but the store does not have it.
    GapObjectMissing,
    /// The store has the version that the log names, with something newer over it.
    GapObjectCovered,
    /// The store has it, but the log does not.
    GapObjectUnknown,
    /// The store has it with another size than the log.
    GapObjectSize,
    /// The store does not lock it as the log says.
    GapObjectUnlocked,
    /// It was seen on a camera, and is neither sealed nor held nor named as failed.
    GapNeverTaken,
    /// The log says that it was not taken, and it never was since.
    GapNotTaken,
    /// It has been sealed for long and is still not in the store.
    GapWaiting,
    /// A camera's last session was cut short.
    GapSession,
    /// A number is missing in the names of a camera's recordings.
    GapNumber,
    /// A camera of the roster has not been docked for long.
    GapCamera,
}

impl GapKind {
    pub const ALL: [Self; 11] = [
        Self::GapObjectMissing,
        Self::GapObjectCovered,
        Self::GapObjectUnknown,
        Self::GapObjectSize,
        Self::GapObjectUnlocked,
        Self::GapNeverTaken,
        Self::GapNotTaken,
        Self::GapWaiting,
        Self::GapSession,
        Self::GapNumber,
        Self::GapCamera,
    ];

    /// The prefixes of the names of gaps that a person can explain.
    pub const EXPLAINED: [&str; 6] = [
        "never-taken",
        "not-taken",
        "waiting",
        "session",
        "number",
        "camera",
    ];

    pub fn code(&self) -> &'static str {
        match self {
            Self::GapObjectMissing => "gap_object_missing",
            Self::GapObjectCovered => "gap_object_covered",
            Self::GapObjectUnknown => "gap_object_unknown",
            Self::GapObjectSize => "gap_object_size",
            Self::GapObjectUnlocked => "gap_object_unlocked",
            Self::GapNeverTaken => "gap_never_taken",
            Self::GapNotTaken => "gap_not_taken",
            Self::GapWaiting => "gap_waiting",
            Self::GapSession => "gap_session",
            Self::GapNumber => "gap_number",
            Self::GapCamera => "gap_camera",
        }
    }

    /// The store and the log contradict each other, however recent the item.
    pub const fn is_contradiction(self) -> bool {
        matches!(
            self,
            Self::GapObjectMissing
                | Self::GapObjectCovered
                | Self::GapObjectUnknown
                | Self::GapObjectSize
                | Self::GapObjectUnlocked
        )
    }

    pub const fn next_step(self) -> &'static str {
        match self {
            Self::GapObjectMissing => {
                "Change nothing in the bucket; run `camdock verify`, keep its output and call the evidence manager. Dock the camera again if it still holds the file."
            }
            Self::GapObjectCovered => {
                "Change nothing in the bucket: the original lies beneath. Run `camdock verify --deep`, keep its output and call the evidence manager."
            }
            Self::GapObjectUnknown => {
                "Find out who put it there; leave it as it is until that is known."
            }
            Self::GapObjectSize => {
                "Change nothing in the bucket; run `camdock verify --deep`, keep its output and call the evidence manager."
            }
            Self::GapObjectUnlocked => {
                "Lock that version again, and find out who changed its lock; keep this output and call the evidence manager."
            }
            Self::GapNeverTaken => {
                "Dock the camera again, in any bay: what it still holds is taken. If it no longer holds the file, ask the officer, and accept the gap with the reason."
            }
            Self::GapNotTaken => {
                "See the reason; dock the camera again. If the file can't be read any more, keep the camera's card for a specialist, and accept the gap with the reason."
            }
            Self::GapWaiting => {
                "See `camdock status`: it names what keeps the store from taking it."
            }
            Self::GapSession => "Dock the camera again, in any bay, until it may be taken out.",
            Self::GapNumber => {
                "Ask the officer whether recordings were deleted on the camera or taken elsewhere; accept the gap with the answer."
            }
            Self::GapCamera => {
                "Ask the officer for the camera, or take it out of roster.toml if it is no longer used."
            }
        }
    }
}

impl Serialize for GapKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One gap, as it is shown to people and given to programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// A name that stays the same from day to day; an acceptance refers to it.
    pub gap: String,
    pub code: GapKind,
    pub camera: Option<CameraId>,
    pub officer: Option<Officer>,
    pub session: Option<SessionId>,
    pub evidence: Option<EvidenceId>,
    /// When it began, as far as the log says.
    pub since: Option<Timestamp>,
    pub what: String,
}

impl Gap {
    /// The name of a number gap without its day, as logs of older stations have it.
    fn name_without_day(&self) -> Option<&str> {
        let (name, _) = self.gap.rsplit_once(':')?;
        (self.code == GapKind::GapNumber).then_some(name)
    }
}

/// The limits that make something a gap.
#[derive(Debug, Clone)]
pub struct GapRules {
    pub now: Timestamp,
    /// A camera may be docked, and an item may wait for the store, this long.
    pub patience: SignedDuration,
    /// A camera of the roster may stay away this long.
    pub unseen: SignedDuration,
    /// The cameras that ought to be docked from time to time, with their officers.
    pub roster: Vec<(CameraId, Officer)>,
}

impl GapRules {
    /// The limits of the daily audit.
    pub const UNSEEN_DAYS: u16 = 14;
    pub const WAITING_HOURS: u16 = 24;

    /// The usual limits at some time, for a log alone, without the roster.
    pub fn usual(now: Timestamp) -> Self {
        Self {
            now,
            patience: SignedDuration::from_hours(Self::WAITING_HOURS.into()),
            unseen: Self::usual_unseen(),
            roster: Vec::new(),
        }
    }

    pub(super) fn usual_unseen() -> SignedDuration {
        SignedDuration::from_hours(i64::from(Self::UNSEEN_DAYS) * 24)
    }
}

/// An operator's decision that a gap is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// A gap's name; with a `*` at its end, every gap that existed then and whose name begins with what stands before it.
    pub gap: String,
    pub operator: String,
    pub reason: String,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests;
