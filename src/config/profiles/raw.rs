//! A profile's file as it is written, and its conversion to a checked [`Profile`].

use std::path::Path;

use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::unlock::RawUnlock;
use super::usb::RawUsbMatch;
use super::{Access, FlagMarks, IdentitySource, Profile, ProfileWipe, PtpQuirks};
use crate::config::{ConfigError, Patterns, file};
use crate::model::{IMPORT_MAKE, WipeLevel};

/// Name and text of the profiles that exist without any file; `config/profiles/` documents the same and a test compares.
pub(super) const BUILT_IN: [(&str, &str); 3] = [
    ("folder", ""),
    (
        "mass-storage",
        "access = \"mass-storage\"\nusb = [{ class = \"08\" }]",
    ),
    (
        "mtp",
        "access = \"ptp\"\nusb = [{ class = \"06/01/01\" }, { class = \"ff\", interface_name = \"MTP\" }]",
    ),
];

/// For what is imported. No camera gave its files their names: none is a sidecar that would hide behind another, and none is
/// flagged. It is no camera's profile and stands in no file.
pub(super) const IMPORTED: (&str, &str) = (
    IMPORT_MAKE,
    "video = [\"*.{mp4,m4v,mov,avi,ts,mts,m2ts,mkv,dav,mpg,mpeg,vob,wmv,asf,3gp,webm}\"]\n\
     sidecar = []\nflag_folders = []\nflag_names = []\nidentity = []",
);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProfile {
    access: Access,
    usb: Vec<RawUsbMatch>,
    make: Option<Spanned<String>>,
    /// The default depends on the access.
    identity: Option<Vec<IdentitySource>>,
    identity_files: Vec<String>,
    video: Vec<String>,
    sidecar: Vec<String>,
    flag_folders: Vec<String>,
    flag_names: Vec<String>,
    flag_read_only: bool,
    preview: bool,
    wipe: Spanned<RawWipe>,
    wipe_rehash: bool,
    time_zone: Option<Spanned<String>>,
    set_clock: bool,
    ptp_no_close: bool,
    ptp_no_partial: bool,
    ptp_no_lists: bool,
    unlock: Option<Spanned<RawUnlock>>,
}

impl Default for RawProfile {
    fn default() -> Self {
        let list = |words: &str| words.split(' ').map(str::to_owned).collect();
        Self {
            access: Access::Folder,
            usb: Vec::new(),
            make: None,
            identity: None,
            identity_files: list("CAMERA.TXT DEVICE.TXT"),
            video: list("*.MP4 *.MOV *.AVI *.TS *.MKV *.DAV"),
            sidecar: list("*.GPS *.LOG *.AUD *.THM *.JPG *.SRT *.TXT *.NMEA"),
            flag_folders: list("EVENT* LOCK* *_RO"),
            flag_names: list("*_IMP.* *_LOCK.* *_SOS.*"),
            flag_read_only: false,
            preview: true,
            wipe: Spanned::new(0..0, RawWipe::Never),
            wipe_rehash: true,
            time_zone: None,
            set_clock: false,
            ptp_no_close: false,
            ptp_no_partial: false,
            ptp_no_lists: false,
            unlock: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawWipe {
    Never,
    Stored,
    Confirmed,
}

fn default_identity(access: Access, unlocked: bool) -> Vec<IdentitySource> {
    let mut sources = Vec::new();
    if unlocked {
        sources.push(IdentitySource::Unlock);
    }
    sources.extend_from_slice(match access {
        Access::Folder => &[IdentitySource::Marker, IdentitySource::File],
        Access::MassStorage => &[IdentitySource::Descriptor, IdentitySource::File],
        Access::Ptp => &[IdentitySource::DeviceInfo, IdentitySource::Descriptor],
    });
    sources
}

impl RawProfile {
    pub fn validated(self, path: &Path, text: &str) -> Result<Profile, ConfigError> {
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
        let usb = self
            .usb
            .iter()
            .map(RawUsbMatch::validated)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|message| {
                let fix = "Name devices as in `usb = [{ vendor = \"4255\", product = \"0001\" }]` or `[{ class = \"08\" }]`.";
                invalid("usb", text.find("usb"), message, fix)
            })?;
        if usb.is_empty() != (self.access == Access::Folder) {
            let message = if usb.is_empty() {
                "is missing: a profile of USB cameras must say which devices it is for"
            } else {
                "cannot be given for `access = \"folder\"`"
            };
            let fix = "Give both `access = \"mass-storage\"` (or `\"ptp\"`) and `usb = [{ vendor = \"…\" }]`, or neither.";
            return Err(invalid("usb", text.find("usb"), message.into(), fix));
        }
        let time_zone = match &self.time_zone {
            None => None,
            Some(name) => Some(TimeZone::get(name.get_ref()).map_err(|_| {
                let offset = Some(name.span().start);
                let fix = "Give an IANA name such as `Europe/London` or `UTC`; the package `tzdata` must be installed.";
                invalid("time_zone", offset, "is not a known time zone".into(), fix)
            })?),
        };
        let unlock = match self.unlock {
            None => None,
            Some(unlock) => {
                let offset = Some(unlock.span().start);
                let fix = "See [unlock] in config/profiles/locked-control.toml.";
                if self.access == Access::Folder {
                    let message = "cannot be given for `access = \"folder\"`".into();
                    return Err(invalid("unlock", offset, message, fix));
                }
                Some(unlock.into_inner().validated().map_err(|(key, message)| {
                    invalid(&format!("unlock.{key}"), offset, message, fix)
                })?)
            }
        };
        let identity = self
            .identity
            .unwrap_or_else(|| default_identity(self.access, unlock.is_some()));
        let level = match self.wipe.get_ref() {
            RawWipe::Never => None,
            RawWipe::Stored => Some(WipeLevel::Stored),
            RawWipe::Confirmed => Some(WipeLevel::Confirmed),
        };
        let unfit = match self.access {
            Access::Folder => Some(
                "cannot be given for `access = \"folder\"`: nothing is known of what deleting in a folder does to a camera",
            ),
            // The form that is deleted from does not repeat the serial of the unlock step.
            Access::Ptp
                if !identity.iter().any(|source| {
                    matches!(
                        source,
                        IdentitySource::DeviceInfo | IdentitySource::Descriptor
                    )
                }) =>
            {
                Some("needs cameras that give their serial over PTP or as a USB descriptor")
            }
            // Root's helper trusts only the USB device's serial, nothing on the medium.
            Access::MassStorage if !identity.contains(&IdentitySource::Descriptor) => {
                Some("needs cameras that give their serial as a USB descriptor")
            }
            Access::MassStorage | Access::Ptp => None,
        };
        if let (Some(_), Some(message)) = (level, unfit) {
            let fix = "Remove the line, or write `wipe = \"never\"`.";
            return Err(invalid(
                "wipe",
                Some(self.wipe.span().start),
                message.into(),
                fix,
            ));
        }
        Ok(Profile {
            name: name.to_owned(),
            access: self.access,
            usb,
            make: self.make.map(Spanned::into_inner),
            identity,
            identity_files: patterns("identity_files", &self.identity_files)?,
            video: patterns("video", &self.video)?,
            sidecar: patterns("sidecar", &self.sidecar)?,
            flag: FlagMarks {
                folders: patterns("flag_folders", &self.flag_folders)?,
                names: patterns("flag_names", &self.flag_names)?,
                read_only: self.flag_read_only,
            },
            time_zone,
            set_clock: self.set_clock,
            preview: self.preview,
            wipe: level.map(|level| ProfileWipe {
                level,
                rehash: self.wipe_rehash,
            }),
            ptp: PtpQuirks {
                no_close: self.ptp_no_close,
                no_partial: self.ptp_no_partial,
                no_lists: self.ptp_no_lists,
            },
            unlock,
        })
    }
}
