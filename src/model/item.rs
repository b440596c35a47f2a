use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SourcePath;

/// What a camera says of one file. `size` and `modified` are claims until the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub path: SourcePath,
    /// Bytes.
    pub size: u64,
    /// As the camera gives it, never corrected; `None` when it gives none or none that can be expressed.
    pub modified: Option<Timestamp>,
    /// Marked by the officer or by a profile's rule: taken first.
    pub flagged: bool,
    pub kind: ItemKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Video,
    /// Belongs to the video of the same stem: GPS track, log, thumbnail, audio.
    Sidecar,
    /// Matches no pattern of the profile; taken all the same.
    Other,
}

/// The way of an item (design, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    Seen,
    Pulling,
    Sealed,
    Logged,
    Uploading,
    Stored,
    Released,
    /// Not taken, with a reason in the log.
    Failed,
}

impl ItemState {
    /// With their names as in JSON and in the journal.
    pub const NAMES: &[(Self, &'static str)] = &[
        (Self::Seen, "seen"),
        (Self::Pulling, "pulling"),
        (Self::Sealed, "sealed"),
        (Self::Logged, "logged"),
        (Self::Uploading, "uploading"),
        (Self::Stored, "stored"),
        (Self::Released, "released"),
        (Self::Failed, "failed"),
    ];
}

/// Which sealed object of an item; authenticated as `camdock:part` in its encryption context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Original,
    Preview,
    Storyboard,
    ItemKey,
}

impl Part {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Preview => "preview",
            Self::Storyboard => "storyboard",
            Self::ItemKey => "item-key",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
