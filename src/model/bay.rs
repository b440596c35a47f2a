use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::is_unseen;
use super::{CameraId, Officer, SessionId};

/// A bay's name for people: from the configuration, or the docked folder's name. Escaped, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BayName(String);

impl BayName {
    /// Control and invisible characters become `?`, so that a name can't forge a line.
    pub fn new(text: &str) -> Self {
        let name: String = text
            .chars()
            .take(64)
            .map(|c| {
                if is_unseen(c) || !(c.is_alphanumeric() || c.is_ascii()) {
                    '?'
                } else {
                    c
                }
            })
            .collect();
        Self(if name.is_empty() {
            "?".to_owned()
        } else {
            name
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a bay, as people see it. Colour is never the only cue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BayStatus {
    Empty,
    NotRecognised {
        /// Stable, for translations and for people who ask for help.
        #[serde(default)]
        code: String,
        reason: String,
        next_step: String,
    },
    /// Reading: leave docked.
    Reading {
        files_done: u64,
        files_total: u64,
        bytes_done: u64,
        bytes_total: u64,
        seconds_left: Option<u64>,
    },
    /// As safe to remove, but the witnesses' quorum has not cosigned the log so far, and the configuration waits for it.
    WaitingForWitness {
        files: u64,
        bytes: u64,
        waiting_for_store: u64,
        /// Files of these that were deleted by rule and are not taken again.
        #[serde(default)]
        disposed: u64,
    },
    /// Every recording of the camera is durable on this station and entered in the signed log.
    SafeToRemove {
        files: u64,
        bytes: u64,
        waiting_for_store: u64,
        /// Files of these that were deleted by rule and are not taken again.
        #[serde(default)]
        disposed: u64,
    },
    /// Deleting stored files: leave docked.
    Wiping {
        files: u64,
    },
    AllStored {
        files: u64,
        bytes: u64,
        #[serde(default)]
        disposed: u64,
    },
    NeedsAttention {
        #[serde(default)]
        code: String,
        reason: String,
        next_step: String,
        files_done: u64,
        files_total: u64,
    },
}

impl BayStatus {
    /// All states, in the order of the metrics.
    pub const STATES: [&'static str; 8] = [
        "empty",
        "not_recognised",
        "reading",
        "waiting_for_witness",
        "safe_to_remove",
        "wiping",
        "all_stored",
        "needs_attention",
    ];

    /// As in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotRecognised { .. } => "not_recognised",
            Self::Reading { .. } => "reading",
            Self::WaitingForWitness { .. } => "waiting_for_witness",
            Self::SafeToRemove { .. } => "safe_to_remove",
            Self::Wiping { .. } => "wiping",
            Self::AllStored { .. } => "all_stored",
            Self::NeedsAttention { .. } => "needs_attention",
        }
    }

    /// Needs somebody's attention.
    pub const fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::NotRecognised { .. } | Self::NeedsAttention { .. }
        )
    }
}

/// One bay as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BayView {
    pub bay: BayName,
    pub camera: Option<CameraId>,
    pub officer: Option<Officer>,
    pub session: Option<SessionId>,
    /// The file that is being read, escaped for showing.
    pub file: Option<String>,
    #[serde(flatten)]
    pub status: BayStatus,
}
