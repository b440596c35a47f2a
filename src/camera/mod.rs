//! Reads docked cameras: one trait, and one module for each kind of access.
//!
//! Keeps promise 3: nothing here writes to a camera, except to its clock where its profile says so, and except for `erase`
//! and `ptp::erase`, which delete one proven file at a time where wiping is switched on. All input from a camera is bounded
//! here, and an entry that can't be taken is named with the reason (promise 1): a listing never skips one silently.

pub mod erase;
mod error;
mod folder;
mod folder_walk;
mod identity;
mod listing;
mod mass_storage;
pub mod ptp;
mod root_dir;
pub mod unlock;
mod wipe_client;

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

    /// Clock, battery and device facts. Called once, before the first listing.
    fn condition(&mut self) -> Condition {
        Condition::default()
    }

    /// Hands every entry except folders to `sink`, in the camera's own order, without collecting them.
    /// Ends early with `Ok` when the sink breaks. An error means that the listing is incomplete.
    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError>;

    /// Whether the last listing proves that the camera is empty if it showed nothing. An empty folder does not: it may be
    /// the place where a card is to be mounted.
    fn proves_empty(&self) -> bool {
        true
    }

    /// Opens a listed file for reading.
    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError>;

    /// Deletes exactly these files and gives one result for each, in order. A file that differs from its proof is left.
    /// The caller has checked the proofs. `stop`: delete no more.
    fn wipe(
        &mut self,
        _order: &WipeOrder<'_>,
        _stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        Err(CameraError::CannotWipe)
    }

    /// Whether it is still the same camera in the same bay. Cheap: only asks the kernel.
    fn still_there(&self) -> bool;
}

/// The files to delete, at most [`WipeRequest::FILES_MAX`](crate::model::WipeRequest::FILES_MAX) files.
pub struct WipeOrder<'a> {
    pub level: WipeLevel,
    pub rehash: bool,
    pub files: &'a [(Proven, WipeProof)],
    /// Checks a proof again, against what root allows. A camera that deletes without root's helper calls it for each file.
    pub prove: &'a dyn Fn(&WipeProof) -> Result<Proven, Left>,
    /// The socket of root's wipe helper.
    pub helper: &'a Path,
}

/// An open file of a camera, at offset 0 at first. Read errors are plain `io::Error`s: see [`CameraError::reading`].
pub trait CameraFile: Read + Send {
    /// Facts of the open file, which may differ from the listing.
    fn facts(&self) -> OpenFacts;

    /// The change since the file was opened; `None`: nothing changed. Call it after the last byte: only then is it certain that
    /// all bytes belong to one state of the file.
    fn recheck(&mut self) -> Result<Option<Change>, CameraError>;

    /// Continues reading at a byte offset, to resume.
    fn seek_to(&mut self, offset: u64) -> Result<(), CameraError>;

    /// Whether [`Self::seek_to`] can go to any offset; if not, the file can only be read from its start.
    fn can_seek(&self) -> bool {
        true
    }

    /// Only this many bytes are wanted from each offset: a camera that is read in large pieces is asked for no more.
    fn limit_reads(&mut self, _bytes: usize) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFacts {
    /// Bytes.
    pub size: u64,
    /// As the camera gives it; `None` when it is not a valid time.
    pub modified: Option<Timestamp>,
}

/// The difference between a file now and when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Size {
        was: u64,
        now: u64,
    },
    /// Its times changed: it was written to, or its attributes changed.
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
pub enum CameraEntry {
    File(FileFacts),
    /// Seen, but can't be taken. Must be logged with its reason.
    Refused(RefusedEntry),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEntry {
    /// `None` when it is not a valid path, or when the entry stands for many.
    pub path: Option<SourcePath>,
    /// For people: escaped and bounded.
    pub name: String,
    pub size: Option<u64>,
    /// Stable; used as a metric label.
    pub code: &'static str,
    /// One clause, such as `is a symbolic link`.
    pub reason: String,
}
