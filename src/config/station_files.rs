//! Where a station keeps its own files: every name below the state and the runtime folder is decided here.

use std::path::{Path, PathBuf};

/// The name of the key that signs the custody log, as a file and as a systemd credential.
pub const STATION_KEY: &str = "station.key";
/// The name of the key that wraps item keys, as a file and as a systemd credential.
pub const WRAP_KEY: &str = "wrap.key";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationFiles {
    state_dir: PathBuf,
    runtime_dir: PathBuf,
}

impl StationFiles {
    pub fn new(state_dir: PathBuf, runtime_dir: PathBuf) -> Self {
        Self {
            state_dir,
            runtime_dir,
        }
    }

    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Gone after a restart of the machine.
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// The custody log's folder.
    pub fn log_dir(&self) -> PathBuf {
        self.state_dir.join("log")
    }

    /// The newest checkpoint that each witness has cosigned.
    pub fn witnesses_dir(&self) -> PathBuf {
        self.state_dir.join("witnesses")
    }

    pub fn journal(&self) -> PathBuf {
        self.state_dir.join("journal.db")
    }

    /// Room on the disk that is set aside for log and journal.
    pub fn log_room(&self) -> PathBuf {
        self.state_dir.join("log.room")
    }

    /// The bay number of each USB port.
    pub fn bay_numbers(&self) -> PathBuf {
        self.state_dir.join("bays.json")
    }

    /// See [`crate::model::Verification`].
    pub fn verification(&self) -> PathBuf {
        self.state_dir.join("verified.json")
    }

    /// See [`crate::model::Completeness`].
    pub fn completeness(&self) -> PathBuf {
        self.state_dir.join("gaps.json")
    }

    /// The open sessions of the pages.
    pub fn web_sessions(&self) -> PathBuf {
        self.state_dir.join("web-sessions.json")
    }

    /// The spool, unless the configuration names another folder.
    pub fn default_spool_dir(&self) -> PathBuf {
        self.state_dir.join("spool")
    }

    pub fn keys_dir(&self) -> PathBuf {
        self.state_dir.join("keys")
    }

    pub fn station_key(&self) -> PathBuf {
        self.keys_dir().join(STATION_KEY)
    }

    pub fn wrap_key(&self) -> PathBuf {
        self.keys_dir().join(WRAP_KEY)
    }

    /// The public key of the custody log, as text.
    pub fn log_public_key(&self) -> PathBuf {
        self.keys_dir().join("log.pub")
    }

    /// The password of a locked camera model, by the name that its profile gives.
    pub fn unlock_password(&self, name: &str) -> PathBuf {
        self.keys_dir().join("unlock").join(name)
    }

    /// Where a running service answers `camdock status`.
    pub fn status_socket(&self) -> PathBuf {
        self.runtime_dir.join("status.sock")
    }

    /// Where a running service takes orders.
    pub fn command_socket(&self) -> PathBuf {
        self.runtime_dir.join("command.sock")
    }

    /// Where a running service takes imports.
    pub fn import_socket(&self) -> PathBuf {
        self.runtime_dir.join("import.sock")
    }

    /// Where root's wipe helper listens, if wiping is switched on.
    pub fn wipe_socket(&self) -> PathBuf {
        self.runtime_dir.join("wipe.sock")
    }
}
