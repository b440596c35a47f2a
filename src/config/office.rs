//! `office.toml`, validated.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    ConfigError, IncidentPattern, LogSettings, PeopleSettings, StoreSettings, TrustedOffice,
    WebSettings, file, raw, validate,
};
use crate::model::{BucketLayout, StationName};

/// The office's configuration file, unless the command line names another.
pub const OFFICE_PATH: &str = "/etc/camdock-office/office.toml";

#[derive(Debug, Clone)]
pub struct OfficeConfig {
    pub name: StationName,
    pub state_dir: PathBuf,
    /// Between two looks at a station's log.
    pub follow_interval: Duration,
    /// In cosignatures: no space, no `+`. Default `camdock-office/<name>`.
    pub witness_name: String,
    /// Where logs may be sent to be cosigned.
    pub witness_listen: Option<SocketAddr>,
    pub metrics_listen: Option<SocketAddr>,
    pub reconciling: Reconciling,
    pub keeping: Keeping,
    pub tags: TagSettings,
    pub pages: WebSettings,
    /// `None`: nobody signs in but by token.
    pub people: Option<PeopleSettings>,
    /// Of the share reader, as recipients' browsers have it, without a final `/`. `None`: nobody said.
    pub share_address: Option<String>,
    pub store: StoreSettings,
    pub report: ReportSettings,
    /// The offices that this one took over from.
    pub earlier: Vec<TrustedOffice>,
    pub log: LogSettings,
    /// At least one; names and origins differ.
    pub stations: Vec<FollowedStation>,
}

/// How long items stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// No lock reaches further from now.
    pub ahead_days: u32,
    /// The class of what nobody classified, and of what was flagged on the camera. `None`: nothing keeps it but its first lock.
    pub unclassified: Option<String>,
    pub flagged: Option<String>,
    /// By their names.
    pub classes: BTreeMap<String, RetentionClass>,
}

/// A rule of retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionClass {
    /// From when the station took it in.
    pub days: u32,
    /// Whether a person looks at it before it may be deleted.
    pub review: bool,
}

impl Keeping {
    /// The class that an item has if nobody gave it one.
    pub fn first_class(&self, flagged: bool) -> Option<&str> {
        let own = self.flagged.as_ref().filter(|_| flagged);
        own.or(self.unclassified.as_ref()).map(String::as_str)
    }
}

/// What tags may be, and how the files of dispatch are read.
#[derive(Debug, Clone)]
pub struct TagSettings {
    /// `None`: an incident number may be anything.
    pub incident_pattern: Option<IncidentPattern>,
    pub dispatch: DispatchFormat,
}

/// The columns of a file of dispatch, by their headings, and its times.
#[derive(Debug, Clone)]
pub struct DispatchFormat {
    pub badge: String,
    pub start: String,
    pub end: String,
    pub incident: String,
    pub category: String,
    /// Of times that name no zone. `None`: such times are refused.
    pub time_zone: Option<TimeZone>,
    /// As strptime(3) has it; empty: ISO 8601.
    pub time_format: String,
}

/// What evidence cost the old way, as the force says, and the room that its store has. 0: nobody said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportSettings {
    pub minutes_per_recording: f64,
    pub hour_price: f64,
    pub recordings_per_disc: u32,
    pub disc_price: f64,
    pub currency: String,
    pub store_terabytes: f64,
}

/// How often the bucket is compared with the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciling {
    /// Between two listings of a station's folder.
    pub list_interval: Duration,
    /// In which every object is looked at by itself.
    pub sweep_period: Duration,
}

impl Reconciling {
    /// The share of the objects that is looked at after each listing.
    pub fn share(&self) -> f64 {
        self.list_interval.as_secs_f64() / self.sweep_period.as_secs_f64()
    }
}

#[derive(Debug, Clone)]
pub struct FollowedStation {
    pub name: StationName,
    /// As `name+keyid+key`; the audit room parses it.
    pub log_key: String,
    /// A log that has not grown for so long is an alarm.
    pub silence: Duration,
}

impl OfficeConfig {
    /// Reads `path`; returns the warnings for the operator, too.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), ConfigError> {
        let path = std::path::absolute(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = file::read_text(&path, file::CONFIG_BYTES_MAX)?;
        let raw: raw::RawOfficeConfig = file::parse(&path, &text)?;
        let mut warnings = Vec::new();
        let config = validate::office(&path, &text, raw.merge(), &mut warnings)?;
        Ok((config, warnings))
    }

    /// Every key of `office.toml` with its section, for documentation and tests.
    pub fn known_keys() -> Vec<(&'static str, &'static str)> {
        raw::office_keys()
    }

    /// The key that signs cosignatures, and nothing else.
    pub fn witness_key(&self) -> PathBuf {
        self.state_dir.join("keys").join(WITNESS_KEY)
    }

    /// The key that signs the office's own log.
    pub fn office_log_key(&self) -> PathBuf {
        self.state_dir.join("keys").join(OFFICE_LOG_KEY)
    }

    /// The public half of that key.
    pub fn log_public_key(&self) -> PathBuf {
        self.state_dir.join("keys").join("log.pub")
    }

    /// The office's own log.
    pub fn log_dir(&self) -> PathBuf {
        self.state_dir.join("log")
    }

    /// How much of that log is published.
    pub fn published_mark(&self) -> PathBuf {
        self.state_dir.join("published")
    }

    /// The origin of the office's own log, like a station's.
    pub fn log_origin(&self) -> String {
        format!("camdock/{}", self.name)
    }

    /// The names of the office's own objects in the bucket.
    pub fn bucket_layout(&self) -> BucketLayout {
        self.layout_of(&self.name)
    }

    /// Where a station's objects and log are.
    pub fn layout_of(&self, station: &StationName) -> BucketLayout {
        BucketLayout::new(self.store.prefix.clone(), station.clone())
    }

    /// The index, which can be deleted at any time.
    pub fn index(&self) -> PathBuf {
        self.state_dir.join("index.db")
    }

    /// The classes by which the running office keeps items, for `camdock office check`.
    pub fn loaded_classes(&self) -> PathBuf {
        self.state_dir.join("classes.json")
    }

    /// Who is signed in at the pages.
    pub fn web_sessions(&self) -> PathBuf {
        self.state_dir.join("web-sessions.json")
    }

    /// What was cosigned, a folder for each log.
    pub fn witness_dir(&self) -> PathBuf {
        self.state_dir.join("witness")
    }
}

/// The name of the witness's private key, as a file and as a systemd credential.
pub(super) const WITNESS_KEY: &str = "witness.key";
/// The same of the key of the office's own log.
pub(super) const OFFICE_LOG_KEY: &str = "office-log.key";
