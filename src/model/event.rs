//! The custody log's entries as types. `audit` turns them into RFC 8785 canonical bytes; field names are
//! therefore part of the format: never rename one, only add optional ones.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ActReference, BayName, CameraDocked, CameraId, CameraRefused, DisposalApproved,
    DisposalProposed, DisposalWithdrawn, DockSessionEnd, EvidenceId, GapAccepted, HoldLifted,
    HoldPlaced, ImportDeclared, ImportOrigin, InventoryTaken, ItemClassified, ItemDisposed,
    ItemKind, ItemPreviewed, ItemShared, ItemTagged, ItemTaggedAtDock, ItemViewed, LogAlarm,
    LogClosed, LogReleased, LogWitnessed, ObjectAlarm, OfficeStarted, OfficeStopped, Officer,
    OfficerReassigned, PackMade, PersonAdded, PersonRemoved, QuarantineDecided, Retention,
    RetentionExtended, SessionId, Sha256Digest, ShareEnded, ShareTaken, SourcePath, StationName,
    WipeLevel, WipeResult,
};

/// One entry of the custody log: `{"data":{…},"event":"item.sealed","session":"…","station":"…","time":"…Z","v":1}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub v: u8,
    /// The station's clock when the fact was established, UTC.
    pub time: Timestamp,
    /// Or the office, in its own log.
    pub station: StationName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data")]
pub enum Event {
    #[serde(rename = "station.started")]
    StationStarted(StationStarted),
    #[serde(rename = "station.stopped")]
    StationStopped(StationStopped),
    #[serde(rename = "config.changed")]
    ConfigChanged(ConfigChanged),
    #[serde(rename = "camera.docked")]
    CameraDocked(Box<CameraDocked>),
    #[serde(rename = "camera.refused")]
    CameraRefused(CameraRefused),
    #[serde(rename = "camera.undocked")]
    CameraUndocked(DockSessionEnd),
    #[serde(rename = "session.ended")]
    SessionEnded(DockSessionEnd),
    #[serde(rename = "import.declared")]
    ImportDeclared(Box<ImportDeclared>),
    #[serde(rename = "import.ended")]
    ImportEnded(DockSessionEnd),
    #[serde(rename = "inventory.taken")]
    InventoryTaken(InventoryTaken),
    #[serde(rename = "item.sealed")]
    ItemSealed(ItemSealed),
    #[serde(rename = "item.held")]
    ItemHeld(ItemHeld),
    #[serde(rename = "item.quarantined")]
    ItemQuarantined(ItemQuarantined),
    #[serde(rename = "item.failed")]
    ItemFailed(ItemFailed),
    #[serde(rename = "item.stored")]
    ItemStored(ItemStored),
    #[serde(rename = "item.previewed")]
    ItemPreviewed(ItemPreviewed),
    #[serde(rename = "camera.wiped")]
    CameraWiped(CameraWiped),
    #[serde(rename = "operator.action")]
    OperatorAction(OperatorAction),
    #[serde(rename = "office.started")]
    OfficeStarted(OfficeStarted),
    #[serde(rename = "office.stopped")]
    OfficeStopped(OfficeStopped),
    #[serde(rename = "log.witnessed")]
    LogWitnessed(LogWitnessed),
    #[serde(rename = "log.alarm")]
    LogAlarm(Box<LogAlarm>),
    #[serde(rename = "log.closed")]
    LogClosed(Box<LogClosed>),
    #[serde(rename = "log.released")]
    LogReleased(Box<LogReleased>),
    #[serde(rename = "item.viewed")]
    ItemViewed(Box<ItemViewed>),
    #[serde(rename = "quarantine.decided")]
    QuarantineDecided(Box<QuarantineDecided>),
    #[serde(rename = "officer.reassigned")]
    OfficerReassigned(Box<OfficerReassigned>),
    #[serde(rename = "gap.accepted")]
    GapAccepted(Box<GapAccepted>),
    #[serde(rename = "object.alarm")]
    ObjectAlarm(Box<ObjectAlarm>),
    #[serde(rename = "object.cleared")]
    ObjectCleared(Box<ObjectAlarm>),
    #[serde(rename = "pack.made")]
    PackMade(Box<PackMade>),
    #[serde(rename = "item.tagged")]
    ItemTagged(Box<ItemTagged>),
    #[serde(rename = "item.tagged_at_dock")]
    ItemTaggedAtDock(Box<ItemTaggedAtDock>),
    #[serde(rename = "item.classified")]
    ItemClassified(Box<ItemClassified>),
    #[serde(rename = "retention.extended")]
    RetentionExtended(Box<RetentionExtended>),
    #[serde(rename = "hold.placed")]
    HoldPlaced(Box<HoldPlaced>),
    #[serde(rename = "hold.lifted")]
    HoldLifted(Box<HoldLifted>),
    #[serde(rename = "disposal.proposed")]
    DisposalProposed(Box<DisposalProposed>),
    #[serde(rename = "disposal.approved")]
    DisposalApproved(Box<DisposalApproved>),
    #[serde(rename = "disposal.withdrawn")]
    DisposalWithdrawn(Box<DisposalWithdrawn>),
    #[serde(rename = "item.disposed")]
    ItemDisposed(Box<ItemDisposed>),
    #[serde(rename = "person.added")]
    PersonAdded(Box<PersonAdded>),
    #[serde(rename = "person.removed")]
    PersonRemoved(Box<PersonRemoved>),
    #[serde(rename = "share.taken")]
    ShareTaken(Box<ShareTaken>),
    #[serde(rename = "item.shared")]
    ItemShared(Box<ItemShared>),
    #[serde(rename = "share.ended")]
    ShareEnded(Box<ShareEnded>),
}

impl Event {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StationStarted(_) => "station.started",
            Self::StationStopped(_) => "station.stopped",
            Self::ConfigChanged(_) => "config.changed",
            Self::CameraDocked(_) => "camera.docked",
            Self::CameraRefused(_) => "camera.refused",
            Self::CameraUndocked(_) => "camera.undocked",
            Self::SessionEnded(_) => "session.ended",
            Self::ImportDeclared(_) => "import.declared",
            Self::ImportEnded(_) => "import.ended",
            Self::InventoryTaken(_) => "inventory.taken",
            Self::ItemSealed(_) => "item.sealed",
            Self::ItemHeld(_) => "item.held",
            Self::ItemQuarantined(_) => "item.quarantined",
            Self::ItemFailed(_) => "item.failed",
            Self::ItemStored(_) => "item.stored",
            Self::ItemPreviewed(_) => "item.previewed",
            Self::CameraWiped(_) => "camera.wiped",
            Self::OperatorAction(_) => "operator.action",
            Self::OfficeStarted(_) => "office.started",
            Self::OfficeStopped(_) => "office.stopped",
            Self::LogWitnessed(_) => "log.witnessed",
            Self::LogAlarm(_) => "log.alarm",
            Self::LogClosed(_) => "log.closed",
            Self::LogReleased(_) => "log.released",
            Self::ItemViewed(_) => "item.viewed",
            Self::QuarantineDecided(_) => "quarantine.decided",
            Self::OfficerReassigned(_) => "officer.reassigned",
            Self::GapAccepted(_) => "gap.accepted",
            Self::ObjectAlarm(_) => "object.alarm",
            Self::ObjectCleared(_) => "object.cleared",
            Self::PackMade(_) => "pack.made",
            Self::ItemTagged(_) => "item.tagged",
            Self::ItemTaggedAtDock(_) => "item.tagged_at_dock",
            Self::ItemClassified(_) => "item.classified",
            Self::RetentionExtended(_) => "retention.extended",
            Self::HoldPlaced(_) => "hold.placed",
            Self::HoldLifted(_) => "hold.lifted",
            Self::DisposalProposed(_) => "disposal.proposed",
            Self::DisposalApproved(_) => "disposal.approved",
            Self::DisposalWithdrawn(_) => "disposal.withdrawn",
            Self::ItemDisposed(_) => "item.disposed",
            Self::PersonAdded(_) => "person.added",
            Self::PersonRemoved(_) => "person.removed",
            Self::ShareTaken(_) => "share.taken",
            Self::ItemShared(_) => "item.shared",
            Self::ShareEnded(_) => "share.ended",
        }
    }
}

/// The kernel's statement about the station's clock (adjtimex).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockState {
    pub synchronised: bool,
    /// Estimated error in microseconds; `None` when the kernel gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_error_us: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StationStarted {
    pub version: String,
    pub clock: ClockState,
    /// Entries in the log before this one.
    pub log_size: u64,
    /// The log's verifier key, `name+keyid+key`.
    pub log_key: String,
    /// Fingerprints of the recipients that footage is sealed to.
    pub recipients: Vec<String>,
    /// Items in flight that this start found and continues.
    pub recovered: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StationStopped {
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigChanged {
    pub file: String,
    pub sha256: Sha256Digest,
    /// `false`: the edit was refused and the last good one stays; `reason` says why.
    pub accepted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The manifest: these exact bytes are also the item's `manifest.json` in the bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemSealed {
    pub evidence: EvidenceId,
    pub path: SourcePath,
    /// Plaintext bytes.
    pub size: u64,
    /// The camera's own time of the file, never corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    pub kind: ItemKind,
    pub flagged: bool,
    /// The digest of the plaintext.
    pub sha256: Sha256Digest,
    /// Bytes of the sealed message.
    pub sealed_size: u64,
    pub frame_length: u32,
    /// Hex, 64 digits.
    pub message_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
    pub bay: BayName,
    /// Of evidence that no camera brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportOrigin>,
}

/// Files of a camera that were taken before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemHeld {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<HeldFile>,
    /// Entries of version 0.1 name one file each, without a list.
    #[serde(flatten)]
    one: Option<HeldFile>,
}

impl ItemHeld {
    pub const fn new(files: Vec<HeldFile>) -> Self {
        Self { files, one: None }
    }

    pub fn files(&self) -> impl Iterator<Item = &HeldFile> {
        self.files.iter().chain(&self.one)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldFile {
    /// The item that already holds this file.
    pub evidence: EvidenceId,
    pub path: SourcePath,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// The item was deleted by rule: the office's act that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposed: Option<ActReference>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemQuarantined {
    pub evidence: EvidenceId,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemFailed {
    /// `None` when the name itself could not be taken in; `name` then shows it escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SourcePath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Stable label of the error.
    pub code: String,
    pub reason: String,
    /// `true`: it will be tried again while the camera stays or when it is docked again.
    pub retried: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemStored {
    pub evidence: EvidenceId,
    pub bucket: String,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Sealed bytes.
    pub size: u64,
    /// Bytes of each part but the last; `None`: put whole, `checksum` is then the plain SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// SHA-256 as the station computed it: base64, `-N` appended for N parts.
    pub checksum: String,
    #[serde(default)]
    pub confirmed_by: ConfirmedBy,
    /// The lock of this version as the store named it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// `true`: the item's key was lost, too, when the journal was, so that it was sent as it lay in the spool, its frames unverified,
    /// and without an `item-key` beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
}

/// The digest that the store named when it confirmed an object's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmedBy {
    /// The checksum that we computed.
    #[default]
    Sha256,
    /// Only the MD5 of our bytes, as the ETag: nothing is deleted from a camera for it before somebody has read the object back.
    Md5,
}

/// Twice for each batch: `begun` before anything is asked, so that a station that dies meanwhile has said what it was about
/// to do, and `done` with what became of each file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraWiped {
    pub bay: BayName,
    pub camera: CameraId,
    pub level: WipeLevel,
    /// The files on the camera were hashed again before.
    pub rehash: bool,
    pub stage: WipeStage,
    pub files: Vec<WipeResult>,
    /// The reason why nothing at all could be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WipeStage {
    Begun,
    Done,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorAction {
    pub operator: String,
    /// `evidence.listed`, `evidence.viewed`, `evidence.exported`, `quarantine.accept`, `quarantine.reject`, `officer.reassign`,
    /// `gap.accept`.
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
    pub reason: String,
    /// The officer that an item is assigned to from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
    /// The gap of `camdock audit gaps` that the reason explains; with a `*` at its end, every gap that
    /// existed at that time and whose name begins with what stands before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// Where it came from: `web 10.0.0.5`, or what the kernel says of a command's user, `uid 1000 (shah)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_the_shape_of_the_design() {
        let entry = Entry {
            v: 1,
            time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            station: "leeds-1".parse().unwrap(),
            session: None,
            event: Event::StationStopped(StationStopped {
                reason: "SIGTERM".into(),
            }),
        };
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"v":1,"time":"2026-01-02T03:04:05.678Z","station":"leeds-1",
                "event":"station.stopped","data":{"reason":"SIGTERM"}})
        );
        assert_eq!(serde_json::from_value::<Entry>(json).unwrap(), entry);
    }
}
