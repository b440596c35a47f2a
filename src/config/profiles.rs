use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::file::{self, CONFIG_BYTES_MAX};
use super::{Config, ConfigError, Patterns};
use crate::model::Sha256Digest;

/// The profile that exists without any file.
pub(super) const GENERIC: &str = "folder";
const PROFILES_MAX: usize = 500;

/// A camera model as data: how it is read, how it says who it is, what its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub access: Access,
    /// The make where the camera itself gives a serial only.
    pub make: Option<String>,
    /// Asked in this order; the first that answers counts.
    pub identity: Vec<IdentitySource>,
    /// Names of files in the camera's top folder that hold its serial.
    pub identity_files: Patterns,
    pub video: Patterns,
    pub sidecar: Patterns,
    pub flag: FlagMarks,
    /// Storyboards and proxies are made of its recordings, if the station makes any.
    pub preview: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Folder,
}

impl Access {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// `<folder>.camera` beside the folder: JSON with make and serial, left by what mounted the camera.
    Marker,
    /// A file in the camera's top folder.
    File,
    /// The folder's own name, `<make>-<serial>` or, if the profile gives the make, the serial.
    FolderName,
}

/// What marks a recording as important; it is taken first. Any mark is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagMarks {
    /// Of any folder above the file.
    pub folders: Patterns,
    /// Of the file.
    pub names: Patterns,
    /// No write bit in the file's mode: cameras lock marked files.
    pub read_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawProfile {
    access: Access,
    make: Option<Spanned<String>>,
    identity: Vec<IdentitySource>,
    identity_files: Vec<String>,
    video: Vec<String>,
    sidecar: Vec<String>,
    flag_folders: Vec<String>,
    flag_names: Vec<String>,
    flag_read_only: bool,
    preview: bool,
}

/// The generic folder camera; `config/profiles/folder.toml` documents the same and a test compares.
impl Default for RawProfile {
    fn default() -> Self {
        let list = |words: &str| words.split(' ').map(str::to_owned).collect();
        Self {
            access: Access::Folder,
            make: None,
            identity: vec![IdentitySource::Marker, IdentitySource::File],
            identity_files: list("CAMERA.TXT DEVICE.TXT"),
            video: list("*.MP4 *.MOV *.AVI *.TS *.MKV"),
            sidecar: list("*.GPS *.LOG *.AUD *.THM *.JPG *.SRT *.TXT *.NMEA"),
            flag_folders: list("EVENT* LOCK* *_RO"),
            flag_names: list("*_IMP.* *_LOCK.* *_SOS.*"),
            flag_read_only: false,
            preview: true,
        }
    }
}

/// All profiles by name; always holds the built-in `folder`, which a file of that name replaces.
#[derive(Debug, Clone)]
pub struct Profiles {
    by_name: BTreeMap<String, Arc<Profile>>,
    /// Each file read, with the SHA-256 of its bytes.
    pub files: Vec<(PathBuf, Sha256Digest)>,
}

impl Profiles {
    /// Only what is built in.
    pub fn builtin() -> Self {
        let generic = Profile {
            name: GENERIC.into(),
            ..RawProfile::default()
                .validated(Path::new(GENERIC), "")
                // The default's patterns are constants that a test builds.
                .unwrap_or_else(|error| unreachable!("{error}"))
        };
        Self {
            by_name: BTreeMap::from([(GENERIC.to_owned(), Arc::new(generic))]),
            files: Vec::new(),
        }
    }

    /// Reads the profiles that belong to a configuration; fails too when one that a dock folder names is gone.
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

    /// Reads every `*.toml` of a folder; a folder that does not exist leaves what is built in.
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

impl RawProfile {
    fn validated(self, path: &Path, text: &str) -> Result<Profile, ConfigError> {
        let invalid =
            |key: &str, offset: Option<usize>, message: String, fix: &str| ConfigError::Invalid {
                file: path.to_owned(),
                line: offset.map(|offset| file::position(text, offset).0),
                key: key.into(),
                message,
                fix: fix.into(),
            };
        let patterns = |key: &str, list: &[String]| {
            Patterns::new(list).map_err(|message| {
                let offset = text.find(key);
                invalid(
                    key,
                    offset,
                    message,
                    "Use names with `*`, `?`, `[a-z]` and `{a,b}`, for example `\"*.MP4\"`.",
                )
            })
        };
        // The file's own name: no two profiles can share one.
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|name| {
                name.len() <= 64
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            });
        let Some(name) = name else {
            return Err(invalid(
                "the file's name",
                None,
                "is not a profile name".into(),
                "Use at most 64 letters, digits and `-_.` before `.toml`.",
            ));
        };
        if let Some(make) = &self.make
            && (make.get_ref().is_empty()
                || make.get_ref().len() > 64
                || !make
                    .get_ref()
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'/'))
        {
            return Err(invalid(
                "make",
                Some(make.span().start),
                "is not a make".into(),
                "Use 1 to 64 printable ASCII characters without space or `/`.",
            ));
        }
        Ok(Profile {
            name: name.to_owned(),
            access: self.access,
            make: self.make.map(Spanned::into_inner),
            identity: self.identity,
            identity_files: patterns("identity_files", &self.identity_files)?,
            video: patterns("video", &self.video)?,
            sidecar: patterns("sidecar", &self.sidecar)?,
            flag: FlagMarks {
                folders: patterns("flag_folders", &self.flag_folders)?,
                names: patterns("flag_names", &self.flag_names)?,
                read_only: self.flag_read_only,
            },
            preview: self.preview,
        })
    }
}
