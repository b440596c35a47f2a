//! What a station's log says of a docking: the camera, its clock, its files, and the end. Field names are part of the format.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BayName, CameraId, ClockState, Officer, SourcePath};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraDocked {
    pub bay: BayName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    pub profile: String,
    pub access: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
    pub clock: ClockState,
    /// The reason why everything of this session is taken but needs a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// The camera's own clock, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_clock: Option<CameraClock>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<CameraDevice>,
    /// Things that an operator should mend, such as a factory password that works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// It was in the bay already when the station started: the time of the entry is when it was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_start: bool,
}

/// The difference between a camera's clock and the station's, whose own state is in `camera.docked`. Never used to change a
/// time of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraClock {
    pub method: ClockMethod,
    /// The station's clock when the camera's was read.
    pub at: Timestamp,
    /// The camera's clock, as the camera gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<String>,
    /// The zone that its reading was taken to be in; `None`: UTC, because nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Measured: seconds by which the camera's clock is ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_seconds: Option<i64>,
    /// Not measured but a bound: the camera's clock is ahead by at least this; negative: behind by at most that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_at_least_seconds: Option<i64>,
    /// `true`: it was set to the station's clock after this reading; `false`: setting it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockMethod {
    /// PTP's DateTime property.
    PtpDateTime,
    /// A vendor's command.
    VendorCommand,
    /// Only a bound: no file can be newer than the clock that dated it.
    NewestFile,
}

/// The USB device that a camera is, as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraDevice {
    /// Controller path and port chain.
    pub port: String,
    /// `vendor:product` in hex.
    pub ids: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraRefused {
    pub bay: BayName,
    pub reason: String,
}

/// The end of a dock session: in `camera.undocked` the station saw the camera leave; in `session.ended` it did not, because
/// the station itself stopped while the camera was docked. Also the end of an import, in `import.ended`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DockSessionEnd {
    pub bay: BayName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    /// `true`: everything seen was secured before the session ended.
    pub complete: bool,
    pub reason: String,
    /// Files seen but not secured by then; at most 100 are named, `missing_count` has them all, and the entries
    /// that could not be taken (each has its `item.failed`), too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<SourcePath>,
    pub missing_count: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryTaken {
    /// 1-based; an inventory of many files is spread over several entries.
    pub page: u32,
    /// `true` on the last entry of this inventory.
    pub last: bool,
    /// Totals of the whole inventory.
    pub total_files: u64,
    pub total_bytes: u64,
    pub files: Vec<InventoryFile>,
    /// On the last entry of a session's first inventory, where the camera's clock could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_clock: Option<CameraClock>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryFile {
    pub path: SourcePath,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}
