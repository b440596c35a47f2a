//! The validated configuration. Units are in the names or the types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::IncidentPattern;
use super::station_files::StationFiles;
use crate::model::{BayName, ImportFacts, Sha256Digest, StationName};

#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, absolute.
    pub path: PathBuf,
    /// The digest of the file's bytes, for the `config.changed` event.
    pub sha256: Sha256Digest,
    /// `roster.toml` beside the file; it need not exist.
    pub roster_file: PathBuf,
    /// `profiles/` beside the file; it need not exist.
    pub profiles_dir: PathBuf,
    /// Where the station keeps its own files.
    pub files: StationFiles,
    pub station: StationSettings,
    pub dock: DockSettings,
    pub import: ImportSettings,
    pub seal: SealSettings,
    pub spool: SpoolSettings,
    pub store: StoreSettings,
    /// `None`: no lock is asked for.
    pub first_lock: Option<FirstLockSettings>,
    pub upload: UploadSettings,
    pub ingest: IngestSettings,
    pub preview: PreviewSettings,
    pub web: WebSettings,
    /// `None`: officers do not tag at the dock.
    pub tagging: Option<TaggingSettings>,
    /// `None`: the log is sent to no witness.
    pub witness: Option<WitnessSettings>,
    pub offices: Vec<TrustedOffice>,
    /// Of people who open items where no office enters it, as `name+keyid+key`; the audit room parses them.
    pub view_keys: Vec<String>,
    pub metrics: MetricsSettings,
    pub log: LogSettings,
}

/// An office whose log is believed, below checkpoints that its key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedOffice {
    pub name: StationName,
    /// As `name+keyid+key`; the audit room parses it.
    pub log_key: String,
    /// Entries of its log that count. `None`: all of them.
    pub entries: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct StationSettings {
    pub name: StationName,
    /// The origin of the custody log's checkpoints: no space, no `+`. Default `camdock/<name>`.
    pub log_origin: String,
    /// For pacing and for times shown to people; logs are in UTC.
    pub time_zone: TimeZone,
}

#[derive(Debug, Clone)]
pub struct DockSettings {
    pub folders: Vec<DockFolder>,
    /// Look for cameras on USB, too.
    pub usb: bool,
    /// Ports with names of their own; every other port gets a number.
    pub bays: Vec<Bay>,
    /// A file that changed less than this ago counts as still growing.
    pub settle: Duration,
    pub scan_interval: Duration,
}

/// A root whose sub-folders are docked cameras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockFolder {
    pub path: PathBuf,
    /// Name of an existing profile.
    pub profile: String,
}

/// A named bay: one socket, given by its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bay {
    pub name: BayName,
    /// Controller path and port chain as udev's `ID_PATH` has it; one for USB 2 and, where it differs, one for USB 3.
    pub ports: Vec<String>,
    /// A USB disk that is docked here is no camera: everything on it is imported.
    pub import: bool,
}

/// Evidence that no camera brings.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    pub folders: Vec<DropFolder>,
}

/// A folder that another program drops evidence into, and what is declared of all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropFolder {
    pub path: PathBuf,
    pub facts: ImportFacts,
}

#[derive(Debug, Clone)]
pub struct SealSettings {
    /// At least one. PEM text, checked not to be a private key; `seal` parses it.
    pub recipients: Vec<RecipientFile>,
    /// Bytes; 64 KiB to 1 MiB, a multiple of 4096.
    pub frame_length: u32,
}

#[derive(Debug, Clone)]
pub struct RecipientFile {
    pub path: PathBuf,
    pub pem: String,
}

#[derive(Debug, Clone)]
pub struct SpoolSettings {
    pub dir: PathBuf,
    /// Pulling stops while less than this is free.
    pub reserve_bytes: u64,
    /// The time that a stored item's sealed file stays on the station.
    pub keep: Duration,
}

#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `http://…` or `https://…`; `None`: AWS, by region.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    /// Empty, or ends with `/`.
    pub prefix: String,
    pub path_style: bool,
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    pub retention: RetentionMode,
    /// 0 only with [`RetentionMode::None`].
    pub retention_days: u32,
    pub credentials_file: Option<PathBuf>,
    /// The longest wait for an answer, not counting the time to transfer a request's data.
    pub answer: Duration,
    /// The same for reading evidence back: `camdock verify` and `camdock open`.
    pub verify_credentials_file: Option<PathBuf>,
}

/// How long what a station takes is locked when it is stored. An office renews it (docs/operations.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstLockSettings {
    /// From the recording, or from the upload where that is earlier or the recording's time is not plausible.
    pub days: u32,
    /// The same for what was flagged on the camera.
    pub flagged_days: u32,
    /// From the upload, however long ago the recording was made.
    pub at_least_days: u32,
}

/// S3 Object Lock mode of each object at creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionMode {
    Compliance,
    Governance,
    None,
}

#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// 1 to 64; memory is this times `part_size`.
    pub parts_in_flight: usize,
    /// Bytes; the least part size, raised for objects that would need more than 10,000 parts.
    pub part_size: u64,
    pub pace: PaceSettings,
}

/// Upload limits by time of day; windows never overlap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PaceSettings {
    pub windows: Vec<PaceWindow>,
}

/// From `from` (inclusive) to `to` (exclusive), in minutes after local midnight; `to` ≤ `from` wraps over midnight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceWindow {
    pub from_minute: u16,
    /// 1 to 1440.
    pub to_minute: u16,
    pub bytes_per_second: u64,
}

impl PaceWindow {
    pub(super) fn covers(&self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

impl PaceSettings {
    /// The limit in bytes per second at a local time; `None`: unlimited.
    pub fn limit_at(&self, local: Time) -> Option<u64> {
        // jiff's hours and minutes are never negative.
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        self.windows
            .iter()
            .find(|window| window.covers(minute))
            .map(|window| window.bytes_per_second)
    }
}

#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Cameras read at the same time; `None`: all that are docked.
    pub parallel_cameras: Option<usize>,
    pub accept_unknown: AcceptUnknown,
    /// Files listed on one camera at most; those beyond are reported as not listed.
    pub max_files: u64,
    /// A file that is dated before this year has no time that can be believed.
    pub earliest_year: i16,
}

/// The treatment of a camera that is not in the roster or has no serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptUnknown {
    /// Taken, sealed, marked as needing a decision.
    Quarantine,
    /// Not read; shown at the bay and named in the log.
    Refuse,
}

/// Languages of the pages; each has a text file in `web`.
pub const LANGUAGES: [&str; 2] = ["en", "de"];

/// What officers may say of recordings at the dock.
#[derive(Debug, Clone)]
pub struct TaggingSettings {
    /// To choose from; if there are none, an officer gives none.
    pub categories: Vec<String>,
    /// `None`: an incident number may be anything.
    pub incident_pattern: Option<IncidentPattern>,
}

/// The officer page, or the office's pages.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// `None`: no pages. Any address but loopback comes with TLS and at least one token.
    pub listen: Option<SocketAddr>,
    pub tls: Option<Tls>,
    /// One of [`LANGUAGES`].
    pub language: String,
    pub tokens: Vec<Token>,
}

#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM, mode 0600; or the systemd credential `web-tls.key`.
    pub key: PathBuf,
}

/// A token and the pages that it opens. Only its hash is ever configured.
#[derive(Debug, Clone)]
pub struct Token {
    /// The operator's name in the custody log.
    pub name: String,
    pub role: Role,
    pub sha256: Sha256Digest,
    /// Of an office: the only stations that it sees; `None`: all.
    pub stations: Option<Vec<StationName>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The officer page.
    Kiosk,
    /// The officer page, the station's status, and the metrics; of an office, how the stations stand.
    Operations,
    /// Of an office, like those that follow: may do everything, for a small force.
    Evidence,
    /// Finds recordings and watches them.
    Viewer,
    /// Finds, watches and decides, and sees what is restricted.
    Manager,
    /// Finds, and decides about deletion.
    Disposer,
    /// Finds, and reads what was done; watches nothing.
    Auditor,
    /// The share reader: asks before it hands out what was shared.
    ShareReader,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kiosk => "kiosk",
            Self::Operations => "operations",
            Self::Evidence => "evidence",
            Self::Viewer => "viewer",
            Self::Manager => "manager",
            Self::Disposer => "disposer",
            Self::Auditor => "auditor",
            Self::ShareReader => "share_reader",
        }
    }

    /// It opens pages of an office, and none of a station.
    pub const fn is_of_office(self) -> bool {
        matches!(
            self,
            Self::Evidence
                | Self::Viewer
                | Self::Manager
                | Self::Disposer
                | Self::Auditor
                | Self::ShareReader
        )
    }
}

/// `/metrics`, `/healthz` and `/readyz`.
#[derive(Debug, Clone)]
pub struct MetricsSettings {
    /// `None`: none. Any address but loopback uses the TLS of [`WebSettings`] and its tokens with the role `operations`.
    pub listen: Option<SocketAddr>,
}

/// Which recordings get a video beside their storyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewVideo {
    /// Those that browsers do not play, or that have too many bits a second for a thin link.
    Needed,
    Always,
    Never,
}

#[derive(Debug, Clone)]
pub struct PreviewSettings {
    pub enabled: bool,
    pub video: PreviewVideo,
    /// With [`PreviewVideo::Needed`]: a recording with more bits a second gets a video, whoever plays it.
    pub above_bits: u64,
    /// 1 to 16.
    pub workers: usize,
    /// Lines of a proxy: 360 or 480.
    pub height: u32,
    /// Limit for one worker.
    pub memory_bytes: u64,
    /// Limit of processor time for one worker.
    pub cpu: Duration,
    /// The longest time that a stored item's spool file and key wait for its previews.
    pub hold: Duration,
}

/// Who cosigns the custody log.
#[derive(Debug, Clone)]
pub struct WitnessSettings {
    pub policy_file: PathBuf,
    /// A C2SP tlog-policy; the audit room parses it.
    pub policy: String,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A bay is safe only once the quorum has cosigned the entries that make it so.
    pub before_safe: bool,
    /// The least time between two checkpoints that are sent to one witness.
    pub every: Duration,
    /// The longest wait for one whole answer.
    pub answer: Duration,
}

#[derive(Debug, Clone)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A `tracing` filter, for example `info` or `camdock=debug,warn`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// JSON where standard error is systemd's journal, else for people.
    Auto,
    Human,
    Json,
}
