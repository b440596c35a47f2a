//! How a docked camera is read: one trait, one file a way of access.
//!
//! Keeps promise 3: nothing here writes to a camera, but for its clock where its profile says so, and for `erase` and
//! `ptp::erase`, which delete one proven file at a time where wiping is switched on. All that a camera says is bounded here, and what
//! can't be taken is named with the reason (promise 1): a listing never just skips an entry.

mod beneath;
pub mod erase;
mod error;
mod folder;
mod folder_walk;
mod helper;
mod identity;
mod listing;
mod mass_storage;
pub mod ptp;
pub mod unlock;

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

pub use error::CameraError;
pub use folder::FolderCamera;
pub use mass_storage::MassStorageCamera;

use crate::model::{
    CameraIdentity, Condition, FileFacts, Left, Proven, SourcePath, WipeAnswer, WipeLevel,
    WipeProof,
};

/// The largest file that is taken: sealed, it must still fit S3's 5 TiB (32 bytes more for each frame of at least 64 KiB).
pub const FILE_BYTES_MAX: u64 = (5 << 40) - (4 << 30);

/// A camera that can be read. Blocking: call it from a thread that may wait for a bus.
pub trait Camera: Send {
    fn identity(&self) -> &CameraIdentity;

    /// Clock, battery and what else it says of itself. Asked once, before the first listing.
    fn condition(&mut self) -> Condition {
        Condition::default()
    }

    /// Hands every entry that is no folder to `sink`, in the camera's own order, without collecting them;
    /// ends early with `Ok` when the sink breaks. An error means that the listing is not whole.
    fn list(&mut self, sink: &mut dyn FnMut(Listed) -> ControlFlow<()>) -> Result<(), CameraError>;

    /// Opens a listed file for reading.
    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError>;

    /// Deletes exactly these files, one result for each, in order; whatever is not as its proof says is left. Whoever
    /// calls it has checked the proofs; a camera that is deleted from by somebody else hands them on. `stop`: delete no more.
    fn wipe(
        &mut self,
        _order: &WipeOrder<'_>,
        _stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        Err(CameraError::CannotWipe)
    }

    /// Whether it is still the same camera in the same place. Cheap; asks no more than the kernel.
    fn still_there(&self) -> bool;
}

/// What is to be deleted, at most [`WipeRequest::FILES_MAX`](crate::model::WipeRequest::FILES_MAX) files.
pub struct WipeOrder<'a> {
    pub level: WipeLevel,
    pub rehash: bool,
    pub files: &'a [(Proven, WipeProof)],
    /// Checks a proof anew, against what root allows. Whoever deletes by itself asks it for each file.
    pub prove: &'a dyn Fn(&WipeProof) -> Result<Proven, Left>,
    /// Where root's helper listens.
    pub helper: &'a Path,
}

/// An open file of a camera, at offset 0 at first. Read errors are plain `io::Error`s: see [`CameraError::reading`].
pub trait CameraFile: Read + Send {
    /// As seen on the open file, not as listed before.
    fn facts(&self) -> OpenFacts;

    /// What changed since it was opened; `None`: nothing. Call it after the last byte: only then is what was read one
    /// state of the file.
    fn recheck(&mut self) -> Result<Option<Change>, CameraError>;

    /// Goes on reading at a byte offset, to resume.
    fn seek_to(&mut self, offset: u64) -> Result<(), CameraError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFacts {
    /// Bytes.
    pub size: u64,
    /// As the camera gives it; `None` when it can't be expressed.
    pub modified: Option<Timestamp>,
}

/// How a file is not what it was when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Size {
        was: u64,
        now: u64,
    },
    /// Its times changed: written to, or its attributes were.
    Touched,
    /// Another file lies at its path.
    Replaced,
    /// Nothing lies at its path.
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { was, now } => write!(f, "its size went from {was} to {now} bytes"),
            Self::Touched => f.write_str("it was written to"),
            Self::Replaced => f.write_str("another file took its place"),
            Self::Removed => f.write_str("it was removed"),
        }
    }
}

/// One entry of a camera's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    File(FileFacts),
    /// Seen, but not to be taken; belongs into the log with its reason.
    Refused(Refused),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `None` when the path itself can't be expressed, or when it stands for many.
    pub path: Option<SourcePath>,
    /// For people: escaped and bounded.
    pub name: String,
    pub size: Option<u64>,
    /// Stable and of low cardinality.
    pub code: &'static str,
    /// One clause, such as `is a symbolic link`.
    pub reason: String,
}
