//! Configuration: raw TOML → merged with defaults → validated. Only validated values leave this room.
//!
//! Never reads a secret from the TOML, and never shows one; unknown keys are errors that name the nearest
//! known one. Keeps promise 10: each error says file, line and what to do next.

mod disposer;
mod error;
mod file;
mod keydesk;
mod office;
mod pattern;
mod people;
mod profiles;
mod raw;
mod roster;
mod secrets;
mod settings;
mod sharereader;
mod station_files;
#[cfg(test)]
mod tests;
mod validate;
mod watch;
mod wipe;

use std::path::{Path, PathBuf};

pub use disposer::{DISPOSER_PATH, DisposerConfig, DisposerWitness};
pub use error::ConfigError;
pub use file::digest_of;
pub use keydesk::{KEY_DESK_PATH, KeyDeskConfig};
pub use office::{
    DispatchFormat, FollowedStation, Keeping, OFFICE_PATH, OfficeConfig, Reconciling,
    ReportSettings, RetentionClass, TagSettings,
};
pub use pattern::{IncidentPattern, Patterns};
pub use people::PeopleSettings;
pub use profiles::{
    Access, FlagMarks, IdentitySource, InterfaceClass, Matched, Profile, ProfileWipe, Profiles,
    PtpQuirks, Unlock, UnlockProtocol, UnlockRole, UsbMatch,
};
pub use roster::{Roster, RosterEntry};
pub use secrets::{Secrets, StoreCredentials};
pub use settings::{
    AcceptUnknown, Bay, Config, DockFolder, DockSettings, DropFolder, FirstLockSettings,
    ImportSettings, IngestSettings, LANGUAGES, LogFormat, LogSettings, MetricsSettings,
    PaceSettings, PaceWindow, PreviewSettings, PreviewVideo, RecipientFile, RetentionMode, Role,
    SealSettings, SpoolSettings, StationSettings, StoreSettings, TaggingSettings, Tls, Token,
    TrustedOffice, UploadSettings, WebSettings, WitnessSettings,
};
pub use sharereader::{SHARE_READER_PATH, ShareReaderConfig};
pub use station_files::StationFiles;
pub use validate::keeps_secrets;
pub use watch::{Changed, ConfigWatch, watch};
pub use wipe::WipePolicy;

use crate::model::BucketLayout;

/// The configuration file, unless the command line names another.
pub const DEFAULT_PATH: &str = "/etc/camdock/camdock.toml";

/// Everything that is configured, validated and consistent with each other.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub roster: Roster,
    pub profiles: Profiles,
    /// For the operator, one sentence each. They don't stop the service from starting.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `path`, and `roster.toml` and `profiles/*.toml` in the same folder.
    pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
        let mut warnings = Vec::new();
        let config = Self::read(path, &mut warnings)?;
        let profiles = Profiles::reload(&config)?;
        let roster = Roster::reload(&config)?;
        if roster.is_empty() {
            warnings.push(format!(
                "No camera is in the roster ({}): all footage is taken without an officer and handled as `accept_unknown` says.",
                config.roster_file.display()
            ));
        }
        Ok(Loaded {
            config,
            roster,
            profiles,
            warnings,
        })
    }

    /// Reads `path` alone: a bad edit of roster or profiles must not stop anybody from reading evidence.
    pub fn load_alone(path: &Path) -> Result<Self, ConfigError> {
        Self::read(path, &mut Vec::new())
    }

    /// The names of this station's objects in the bucket.
    pub fn bucket_layout(&self) -> BucketLayout {
        BucketLayout::new(self.store.prefix.clone(), self.station.name.clone())
    }

    /// For a machine that is not a station and only reads its store: `[station] name` and `[store]` are enough.
    pub fn load_to_read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &mut Vec::new(), true)
    }

    fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        Self::parse(path, warnings, false)
    }

    fn parse(path: &Path, warnings: &mut Vec<String>, reading: bool) -> Result<Self, ConfigError> {
        let path = std::path::absolute(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = file::read_text(&path, file::CONFIG_BYTES_MAX)?;
        let raw: raw::RawConfig = file::parse(&path, &text)?;
        validate::config(&path, &text, raw.merge(), warnings, reading)
    }

    /// Every key of `camdock.toml` with its section, for documentation and tests: `("station", "name")`.
    pub fn known_keys() -> Vec<(&'static str, &'static str)> {
        raw::known_keys()
    }
}

fn sibling(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}
