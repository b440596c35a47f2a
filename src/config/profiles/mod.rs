//! Camera models as data: one file for each model, and three generic ones built in.

mod raw;
mod unlock;
mod usb;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;

pub use unlock::{Unlock, UnlockProtocol, UnlockRole};
pub use usb::{InterfaceClass, UsbMatch};

use super::file::{self, CONFIG_BYTES_MAX};
use super::{Config, ConfigError, Patterns};
use crate::model::{Sha256Digest, UsbDevice, WipeLevel};
use raw::RawProfile;

/// The profile of docked folders that name none.
pub(super) const GENERIC: &str = "folder";
const PROFILES_MAX: usize = 500;

/// A camera model as data: its access, its sources of identity, and its kinds of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub access: Access,
    /// The USB devices of the camera's readable form. Empty only for folders.
    pub usb: Vec<UsbMatch>,
    /// The make, where the camera gives only a serial.
    pub make: Option<String>,
    /// Tried in this order; the first that gives an id counts.
    pub identity: Vec<IdentitySource>,
    /// Names of files in the camera's top folder that hold its serial.
    pub identity_files: Patterns,
    pub video: Patterns,
    pub sidecar: Patterns,
    pub flag: FlagMarks,
    /// The zone of the camera's own clock, for comparing it with the station's; times of evidence are never changed.
    /// `None`: unknown.
    pub time_zone: Option<TimeZone>,
    /// Set the camera's clock after its error was logged, where the protocol can.
    pub set_clock: bool,
    /// Storyboards and proxies are made of its recordings, if the station makes any.
    pub preview: bool,
    /// `None`: nothing is ever deleted from such a camera.
    pub wipe: Option<ProfileWipe>,
    pub ptp: PtpQuirks,
    pub unlock: Option<Unlock>,
}

/// Deleting stored files from a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileWipe {
    pub level: WipeLevel,
    /// Compare the SHA-256 of the file on the camera first.
    pub rehash: bool,
}

/// A profile that matches a USB device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub profile: Arc<Profile>,
    /// The device is the locked form, which `profile.unlock` opens.
    pub locked: bool,
}

/// A profile of the program itself. These constants are checked by tests.
fn constant((name, text): (&str, &str)) -> Profile {
    let path = PathBuf::from(name);
    file::parse::<RawProfile>(&path, text)
        .and_then(|raw| raw.validated(&path, text))
        .unwrap_or_else(|error| unreachable!("{error}"))
}

impl Profile {
    /// How imported files are read, whatever they are.
    pub fn of_imports() -> Self {
        constant(raw::IMPORTED)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// A folder that something else mounts or fills.
    Folder,
    /// A USB disk that the mount helper mounts.
    MassStorage,
    /// PTP or MTP.
    Ptp,
}

impl Access {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::MassStorage => "mass-storage",
            Self::Ptp => "ptp",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// `<folder>.camera` beside the folder: JSON with make and serial, written by the program that mounted the camera.
    Marker,
    /// A file in the camera's top folder.
    File,
    /// The folder's own name, `<make>-<serial>` or, if the profile gives the make, the serial.
    FolderName,
    /// The serial of the USB device descriptor.
    Descriptor,
    /// The serial that PTP's `GetDeviceInfo` gives.
    DeviceInfo,
    /// The serial from the unlock step.
    Unlock,
}

/// Faults of a PTP camera that the client must work around.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PtpQuirks {
    /// It hangs when its session is closed.
    pub no_close: bool,
    /// Its partial reads are unreliable: each file is read whole, and from the start after an interruption.
    pub no_partial: bool,
    /// Its lists of properties are wrong or make it hang: each object is queried on its own.
    pub no_lists: bool,
}

/// The marks of important recordings, which are taken first. One mark is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagMarks {
    /// Patterns for the name of any folder above the file.
    pub folders: Patterns,
    /// Patterns for the name of the file.
    pub names: Patterns,
    /// No write bit in the file's mode: cameras lock marked files.
    pub read_only: bool,
}

/// All profiles by name; always holds the built-in ones, which files of their names replace.
#[derive(Debug, Clone)]
pub struct Profiles {
    by_name: BTreeMap<String, Arc<Profile>>,
    /// Each file read, with the SHA-256 of its bytes.
    pub files: Vec<(PathBuf, Sha256Digest)>,
}

impl Profiles {
    /// Only the built-in profiles: `folder`, `mass-storage` (any USB disk), `mtp` (any MTP or PTP device).
    pub fn builtin() -> Self {
        let by_name = raw::BUILT_IN.map(|of| {
            let profile = constant(of);
            (profile.name.clone(), Arc::new(profile))
        });
        Self {
            by_name: BTreeMap::from(by_name),
            files: Vec::new(),
        }
    }

    /// The profile that matches a USB device most specifically; `None`: no profile calls it a camera.
    pub fn for_usb(&self, device: &UsbDevice) -> Option<Matched> {
        let fitting = self.by_name.values().flat_map(|profile| {
            let locked = profile.unlock.iter().flat_map(|unlock| &unlock.usb);
            let forms = profile.usb.iter().map(|m| (m, false));
            forms
                .chain(locked.map(|m| (m, true)))
                .filter(|(m, _)| m.fits(device))
                .map(move |(m, locked)| (m.exactness(), profile, locked))
        });
        // The first by name wins among equally specific ones, so that the choice is stable.
        fitting
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, profile, locked)| Matched {
                profile: Arc::clone(profile),
                locked,
            })
    }

    /// Reads the profiles that belong to a configuration. Also fails when a docked folder's profile does not exist.
    pub fn reload(config: &Config) -> Result<Self, ConfigError> {
        let profiles = Self::load(&config.profiles_dir)?;
        for folder in &config.dock.folders {
            if profiles.get(&folder.profile).is_none() {
                return Err(ConfigError::Invalid {
                    file: config.path.clone(),
                    line: None,
                    key: "folders".into(),
                    message: format!(
                        "gives {} the profile {:?}, which does not exist",
                        folder.path.display(),
                        folder.profile
                    ),
                    fix: format!(
                        "Put {}.toml into {}, or use one of: {}.",
                        folder.profile,
                        config.profiles_dir.display(),
                        profiles.names().collect::<Vec<_>>().join(", ")
                    ),
                });
            }
        }
        Ok(profiles)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.by_name.values()
    }

    /// Reads every `*.toml` of a folder; a folder that does not exist leaves only the built-in ones.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let mut profiles = Self::builtin();
        let failed = |source| ConfigError::Read {
            file: dir.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(profiles),
            entries => entries.map_err(failed)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if path.extension().is_some_and(|e| e == "toml") && !hidden {
                paths.push(path);
            }
            if paths.len() > PROFILES_MAX {
                return Err(ConfigError::Invalid {
                    file: dir.to_owned(),
                    line: None,
                    key: "profiles".into(),
                    message: format!("holds more than {PROFILES_MAX} files"),
                    fix: "Keep only the profiles of cameras in use.".into(),
                });
            }
        }
        paths.sort();
        for path in paths {
            let text = file::read_text(&path, CONFIG_BYTES_MAX)?;
            let raw: RawProfile = file::parse(&path, &text)?;
            let profile = raw.validated(&path, &text)?;
            profiles
                .files
                .push((path, Sha256Digest::of(text.as_bytes())));
            profiles
                .by_name
                .insert(profile.name.clone(), Arc::new(profile));
        }
        Ok(profiles)
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}
