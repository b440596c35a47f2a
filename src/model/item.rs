use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SourcePath, written_as};

/// A camera's description of one file. `size` and `modified` are claims until the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub path: SourcePath,
    /// Bytes.
    pub size: u64,
    /// As the camera gives it, never corrected; `None` when it gives none or an invalid one.
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
    /// Matches no pattern of the profile, and is taken like the rest.
    Other,
}

written_as!(
    ItemKind,
    "a kind of item",
    Video = "video",
    Sidecar = "sidecar",
    Other = "other",
);

/// The progress of an item; each state leads to the next one.
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

written_as!(
    ItemState,
    "an item's state",
    Seen = "seen",
    Pulling = "pulling",
    Sealed = "sealed",
    Logged = "logged",
    Uploading = "uploading",
    Stored = "stored",
    Released = "released",
    Failed = "failed",
);

/// One of an item's sealed objects; authenticated as `camdock:part` in its encryption context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Original,
    Preview,
    Storyboard,
    ItemKey,
}

written_as!(
    Part,
    "a part of an item",
    Original = "original",
    Preview = "preview",
    Storyboard = "storyboard",
    ItemKey = "item-key",
);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
