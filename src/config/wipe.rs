//! The wiping that root allows: `wipe.toml` beside `camdock.toml`. Counts only if nobody but root can have written it.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::Deserialize;

use super::file::{self, CONFIG_BYTES_MAX};
use super::{Config, ConfigError};
use crate::model::WipeLevel;

/// The name of the file.
const NAME: &str = "wipe.toml";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WipePolicy {
    /// The proof required at least; a profile may require more, never less.
    pub level: WipeLevel,
    /// Hash files on the camera again, whatever a profile says.
    #[serde(default = "yes")]
    pub rehash: bool,
    /// Verifier keys of the stations' logs, `name+keyid+key`.
    pub log_keys: Vec<String>,
    /// Verifier keys of the confirmers.
    #[serde(default)]
    pub confirmer_keys: Vec<String>,
}

const fn yes() -> bool {
    true
}

impl Config {
    /// The file of this configuration's [`WipePolicy`].
    pub fn wipe_policy_file(&self) -> std::path::PathBuf {
        super::sibling(&self.path, NAME)
    }
}

impl WipePolicy {
    /// Refuses a file that is a link, or that anybody but root could have written.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read {
            file: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)
            .map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() || !roots_own(facts.uid(), facts.mode()) {
            return Err(ConfigError::Invalid {
                file: path.to_owned(),
                line: None,
                key: "the file".into(),
                message: format!(
                    "can be written by others than root (owner {}, mode {:04o}), so nothing may be wiped",
                    facts.uid(),
                    facts.mode() & 0o7777
                ),
                fix: format!(
                    "Check its contents, then run `chown root {0}` and `chmod go-w {0}`.",
                    path.display()
                ),
            });
        }
        let mut text = String::new();
        file.take(CONFIG_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        file::parse(path, text)
    }
}

/// Whether it belongs to root and nobody else may write to it.
const fn roots_own(owner: u32, mode: u32) -> bool {
    owner == 0 && mode & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_could_have_written_is_not_believed() {
        assert!(roots_own(0, 0o100_644) && roots_own(0, 0o100_640) && roots_own(0, 0o100_600));
        for (owner, mode) in [
            (1000, 0o644),
            (1000, 0o600),
            (0, 0o664),
            (0, 0o646),
            (0, 0o666),
        ] {
            assert!(!roots_own(owner, mode), "{owner} {mode:o}");
        }
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join(NAME), dir.path().join("link"));
        std::fs::write(&file, "level = \"stored\"\nlog_keys = []\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(WipePolicy::load(&link).is_err());
        assert!(WipePolicy::load(&dir.path().join("none")).is_err());
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let error = WipePolicy::load(&file).unwrap_err().to_string();
        assert!(error.contains("others than root"), "{error}");
    }

    #[test]
    fn a_level_must_be_said_and_unknown_keys_are_errors() {
        let parsed = |text: &str| WipePolicy::parse(Path::new(NAME), text);
        let policy = parsed("level = \"confirmed\"\nlog_keys = [\"a\"]").unwrap();
        assert_eq!(policy.level, WipeLevel::Confirmed);
        assert!(policy.rehash);
        for text in [
            "",
            "log_keys = []",
            "level = \"never\"\nlog_keys = []",
            "level = \"stored\"\nlog_keys = []\nrehsah = false",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
