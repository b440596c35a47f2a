//! Plain types that every room shares: identifiers, digests, cameras, items, bays, log events.
//!
//! No I/O, no clocks, no randomness beyond making an identifier. Everything that comes from a camera is
//! checked here once, when it becomes one of these types, and is bounded from then on.

mod act;
mod bay;
mod bucket_layout;
mod camera;
mod class;
pub mod codes;
mod digest;
mod disposal;
mod docking;
mod event;
mod explain;
mod hold;
mod ids;
mod import;
mod item;
mod line;
mod names;
mod path;
mod person;
mod preview;
mod remark;
mod retention;
mod share;
mod status;
mod tag;
mod usb;
mod wipe;

pub use act::*;
pub use bay::{BayName, BayStatus, BayView};
pub use bucket_layout::BucketLayout;
pub use camera::{CameraId, CameraIdentity, Condition, FileTimes, Officer, SERIAL_MAX};
pub use class::{ItemClassified, RetentionExtended};
pub use digest::{Sha256Digest, composite_checksum, same_checksum};
pub use disposal::{
    DisposalApproved, DisposalProposed, DisposalRecord, DisposalWithdrawn, DisposedVersion,
    ItemDisposed, NotedDisposal, Obstacle, PlannedDisposal, is_one_person,
};
pub use docking::*;
pub use event::*;
pub use explain::{Explain, RetryClass};
pub use hold::{HeldObject, HoldLifted, HoldPlaced};
pub use ids::{EvidenceId, IdError, PackId, SessionId, ShareId, StationName};
pub use import::{Derivation, IMPORT_MAKE, ImportDeclared, ImportFacts, ImportOrigin, NotTaken};
pub use item::{FileFacts, ItemKind, ItemState, Part};
pub use line::{check_signature, is_one_line};
pub use names::UnknownName;
pub(crate) use names::written_as;
pub use path::{Escaped, PathError, SourcePath};
pub use person::{Outside, PersonAdded, PersonRemoved, are_words_of, fingerprint_words};
pub use preview::*;
pub use remark::{Remark, RemarkCode};
pub use retention::Retention;
pub use share::{
    ItemShared, ShareEnded, ShareManifest, ShareRecipient, SharedItem, SharedObject, media_type,
};
pub use status::{
    Completeness, OutboundView, PreviewProgress, PreviewView, Problem, StateTotal, StatusView,
    UploadProgress, Verification, WitnessView, WitnessingView,
};
pub use tag::{
    DispatchMatch, FileTag, ItemTagged, ItemTaggedAtDock, MatchConfidence, TAG_MAX, TagChange,
    TagSource, Tags,
};
pub use usb::{Disc, Mounted, MountedStorage, StorageState, UsbDevice, UsbEndpoint, UsbInterface};
pub use wipe::{Left, Proven, WipeAnswer, WipeLevel, WipeProof, WipeRequest, WipeResult};
