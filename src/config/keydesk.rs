//! `keydesk.toml`, validated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ConfigError, LogSettings, StoreSettings, file, raw, validate};
use crate::model::StationName;

/// The key desk's configuration file, unless the command line names another.
pub const KEY_DESK_PATH: &str = "/etc/camdock-keydesk/keydesk.toml";

#[derive(Debug, Clone)]
pub struct KeyDeskConfig {
    pub office: StationName,
    /// Of the office's own log, as `name+keyid+key`; the audit room parses it.
    pub office_log_key: String,
    pub recipient_key_file: PathBuf,
    /// What was read of the office's log.
    pub state_dir: PathBuf,
    /// Between two looks at the office's log.
    pub interval: Duration,
    pub store: StoreSettings,
    pub log: LogSettings,
}

impl KeyDeskConfig {
    /// Reads `path`; returns the warnings for the operator, too.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), ConfigError> {
        let path = std::path::absolute(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = file::read_text(&path, file::CONFIG_BYTES_MAX)?;
        let raw: raw::RawKeyDeskConfig = file::parse(&path, &text)?;
        let mut warnings = Vec::new();
        let config = validate::key_desk(&path, &text, &raw.merge(), &mut warnings)?;
        Ok((config, warnings))
    }

    /// Every key of `keydesk.toml` with its section, for documentation and tests.
    pub fn known_keys() -> Vec<(&'static str, &'static str)> {
        raw::key_desk_keys()
    }
}

/// The name of the recipient's private key as a systemd credential.
pub(super) const RECIPIENT_KEY: &str = "recipient.key";
