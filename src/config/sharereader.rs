//! `sharereader.toml`, validated.

use std::path::{Path, PathBuf};

use super::{ConfigError, LogSettings, StoreSettings, WebSettings, file, raw, validate};

/// The share reader's configuration file, unless the command line names another.
pub const SHARE_READER_PATH: &str = "/etc/camdock-sharereader/sharereader.toml";

#[derive(Debug, Clone)]
pub struct ShareReaderConfig {
    /// Of the office's pages, without a final `/`.
    pub office_address: String,
    pub office_token_file: PathBuf,
    /// What the office is known by; `None`: the system's certificates.
    pub office_ca_file: Option<PathBuf>,
    /// Always with an address, and without tokens.
    pub pages: WebSettings,
    pub store: StoreSettings,
    pub log: LogSettings,
}

impl ShareReaderConfig {
    /// Reads `path`; returns the warnings for the operator, too.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), ConfigError> {
        let path = std::path::absolute(path).map_err(|source| ConfigError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = file::read_text(&path, file::CONFIG_BYTES_MAX)?;
        let raw: raw::RawShareReaderConfig = file::parse(&path, &text)?;
        let mut warnings = Vec::new();
        let config = validate::share_reader(&path, &text, &raw.merge(), &mut warnings)?;
        Ok((config, warnings))
    }

    /// Every key of `sharereader.toml` with its section, for documentation and tests.
    pub fn known_keys() -> Vec<(&'static str, &'static str)> {
        raw::share_reader_keys()
    }
}

/// The name of the share reader's token at the office as a systemd credential.
pub(super) const OFFICE_TOKEN: &str = "office-token";
