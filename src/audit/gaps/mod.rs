//! Completeness: what a custody log says was on the cameras, against what it says became of it.
//!
//! Pure: a [`Book`] is handed the entries in their order and then names the gaps. It reads no store and no camera; who
//! has a listing of the store compares it with [`Book::stored`].

mod book;
mod find;
mod numbering;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::model::{CameraId, EvidenceId, Officer, SessionId};

pub use book::{Book, Stored};

/// What kind of gap; in JSON, in metrics and for people by its problem code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// In the log as stored, not in the store.
    GapObjectMissing,
    /// In the store, not in the log.
    GapObjectUnknown,
    /// In the store with another size than in the log.
    GapObjectSize,
    /// Seen on a camera; neither sealed, nor held, nor named as failed.
    GapNeverTaken,
    /// Named in the log as not taken, and never taken since.
    GapNotTaken,
    /// Sealed on the station, not in the store for long.
    GapWaiting,
    /// A camera's last stay was cut short.
    GapSession,
    /// A number is missing in the names of a camera's recordings.
    GapNumber,
    /// A camera of the roster was not docked for long.
    GapCamera,
}

impl GapKind {
    pub const ALL: [Self; 9] = [
        Self::GapObjectMissing,
        Self::GapObjectUnknown,
        Self::GapObjectSize,
        Self::GapNeverTaken,
        Self::GapNotTaken,
        Self::GapWaiting,
        Self::GapSession,
        Self::GapNumber,
        Self::GapCamera,
    ];

    /// What the names of gaps begin with that a person can explain.
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
            Self::GapObjectUnknown => "gap_object_unknown",
            Self::GapObjectSize => "gap_object_size",
            Self::GapNeverTaken => "gap_never_taken",
            Self::GapNotTaken => "gap_not_taken",
            Self::GapWaiting => "gap_waiting",
            Self::GapSession => "gap_session",
            Self::GapNumber => "gap_number",
            Self::GapCamera => "gap_camera",
        }
    }

    /// The store and the log contradict each other: no matter of patience.
    pub const fn is_contradiction(self) -> bool {
        matches!(
            self,
            Self::GapObjectMissing | Self::GapObjectUnknown | Self::GapObjectSize
        )
    }

    pub const fn next_step(self) -> &'static str {
        match self {
            Self::GapObjectMissing => {
                "Change nothing in the bucket; run `camdock verify`, keep its output and call the evidence manager. Dock the camera again if it still holds the file."
            }
            Self::GapObjectUnknown => {
                "Find out who put it there; leave it as it is until that is known."
            }
            Self::GapObjectSize => {
                "Change nothing in the bucket; run `camdock verify --deep`, keep its output and call the evidence manager."
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

/// One gap, as people and machines are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Stays the same from one day to the next: what accepting it names.
    pub gap: String,
    pub code: GapKind,
    pub camera: Option<CameraId>,
    pub officer: Option<Officer>,
    pub session: Option<SessionId>,
    pub evidence: Option<EvidenceId>,
    /// Since when, as far as the log tells.
    pub since: Option<Timestamp>,
    pub what: String,
}

/// From when on something counts as a gap.
#[derive(Debug, Clone)]
pub struct Rules {
    pub now: Timestamp,
    /// A camera may be docked, and an item may wait for the store, this long.
    pub patience: SignedDuration,
    /// A camera of the roster may stay away this long.
    pub unseen: SignedDuration,
    /// The cameras that ought to be docked from time to time, with their officers.
    pub roster: Vec<(CameraId, Officer)>,
}

/// An operator's decision that a gap is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// A gap's name; with a `*` at its end, every gap whose name begins so.
    pub gap: String,
    pub operator: String,
    pub reason: String,
    pub at: Timestamp,
}

impl Accepted {
    pub fn covers(&self, gap: &str) -> bool {
        match self.gap.strip_suffix('*') {
            Some(begin) => gap.starts_with(begin),
            None => gap == self.gap,
        }
    }
}

#[cfg(test)]
mod tests;
