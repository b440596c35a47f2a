//! `disposer.toml`, validated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ConfigError, LogSettings, StoreSettings, file, raw, validate};
use crate::model::StationName;

/// The disposer's configuration file, unless the command line names another.
pub const DISPOSER_PATH: &str = "/etc/camdock-disposer/disposer.toml";

#[derive(Debug, Clone)]
pub struct DisposerConfig {
    pub office: StationName,
    /// Of the office's own log, as `name+keyid+key`; the audit room parses it.
    pub office_log_key: String,
    /// `None`: acts count once they are published.
    pub witness: Option<DisposerWitness>,
    /// What was read of the office's log, and when each approval was first seen.
    pub state_dir: PathBuf,
    /// Between two looks at the office's log.
    pub interval: Duration,
    /// How old an approval has to be, by its own time and since it was first seen here. At least a day.
    pub wait: Duration,
    pub store: StoreSettings,
    pub log: LogSettings,
}

/// Another office, without whose cosignature no approval counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisposerWitness {
    pub office: StationName,
    /// As `name+keyid+key`; the audit room parses it.
    pub key: String,
}

impl DisposerConfig {
    /// Reads `path`; returns the warnings for the operator, too.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), ConfigError> {
        let path = std::path::absolute(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = file::read_text(&path, file::CONFIG_BYTES_MAX)?;
        let raw: raw::RawDisposerConfig = file::parse(&path, &text)?;
        let mut warnings = Vec::new();
        let config = validate::disposer(&path, &text, &raw.merge(), &mut warnings)?;
        Ok((config, warnings))
    }

    /// Every key of `disposer.toml` with its section, for documentation and tests.
    pub fn known_keys() -> Vec<(&'static str, &'static str)> {
        raw::disposer_keys()
    }
}
