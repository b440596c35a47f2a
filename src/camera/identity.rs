//! Identifies a mounted camera from its marker, its files or its folder's name. All of these are untrusted and read up to
//! 4 KiB.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::Dir;
use serde::Deserialize;

use super::root_dir::RootDir;
use crate::config::{IdentitySource, Profile};
use crate::model::CameraId;

const BYTES_MAX: u64 = 4096;
/// Names read in a camera's top folder to find an identity file.
const NAMES_MAX: usize = 10_000;
/// The make of a camera for which neither it nor its profile gives one.
const NO_MAKE: &str = "folder";

/// The file that lies beside a camera's folder and identifies it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Marker {
    pub make: String,
    pub serial: String,
    pub profile: Option<String>,
}

/// Reads `<root>.camera`. It lies in the watched folder, which belongs to the station, not on the camera.
pub(super) fn marker(root: &Path) -> Option<Marker> {
    serde_json::from_slice(&marker_bytes(root, BYTES_MAX)?)
        .inspect_err(|error| {
            tracing::warn!(code = "marker_unusable", %error, root = %root.display(),
                next_step = "remove the marker beside the folder, or write it as CamDock does; the camera is read without it",
                "the marker of a docked folder is malformed");
        })
        .ok()
}

/// The first bytes of the marker beside a folder.
pub(super) fn marker_bytes(root: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut name = root.file_name()?.to_owned();
    name.push(".camera");
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(root.with_file_name(name))
        .ok()?;
    bounded(file, limit)
}

pub(super) fn identify(
    root: &Path,
    root_dir: &RootDir,
    profile: &Profile,
    marker: Option<&Marker>,
) -> Option<CameraId> {
    profile.identity.iter().find_map(|source| match source {
        IdentitySource::Marker => marker.and_then(|m| CameraId::new(&m.make, &m.serial)),
        IdentitySource::File => from_files(root_dir, profile, profile.make.as_deref()),
        IdentitySource::FolderName => from_name(root.file_name()?.as_bytes(), profile),
        // A docked folder has no device.
        IdentitySource::Descriptor | IdentitySource::DeviceInfo | IdentitySource::Unlock => None,
    })
}

fn from_name(name: &[u8], profile: &Profile) -> Option<CameraId> {
    let name = std::str::from_utf8(name).ok()?;
    if let Some(make) = &profile.make {
        let prefix = name
            .get(..make.len())
            .filter(|prefix| prefix.eq_ignore_ascii_case(make));
        let serial = prefix
            .and_then(|prefix| name[prefix.len()..].strip_prefix('-'))
            .unwrap_or(name);
        return CameraId::new(make, serial);
    }
    let (make, serial) = name.split_once('-')?;
    CameraId::new(make, serial)
}

/// `make` counts where the camera's file gives none.
pub(super) fn from_files(
    root_dir: &RootDir,
    profile: &Profile,
    make: Option<&str>,
) -> Option<CameraId> {
    let mut names: Vec<Vec<u8>> = Dir::read_from(root_dir.fd())
        .ok()?
        .take(NAMES_MAX)
        .flatten()
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| profile.identity_files.matches(name))
        .collect();
    // Sorted, because the folder's own order is arbitrary.
    names.sort_unstable();
    names.iter().take(16).find_map(|name| {
        let regular = super::root_dir::file_type(&root_dir.stat_path(name).ok()?).is_file();
        let file = regular.then(|| root_dir.open_file(name).ok())??;
        from_text(&bounded(File::from(file), BYTES_MAX)?, make)
    })
}

fn bounded(file: File, limit: u64) -> Option<Vec<u8>> {
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A line `serial=…` (and perhaps `make=…`), else the first line alone.
fn from_text(bytes: &[u8], make: Option<&str>) -> Option<CameraId> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let padding = |c: char| c.is_whitespace() || c == '\0' || c == '"';
    let lines = || {
        text.split(['\n', '\r'])
            .map(|line| line.trim_matches(padding))
            .filter(|line| !line.is_empty())
    };
    let field = |wanted: &[&str]| {
        lines().find_map(|line| {
            let (key, value) = line.split_once(['=', ':'])?;
            let key: String = key
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            wanted
                .contains(&key.as_str())
                .then(|| value.trim_matches(padding))
        })
    };
    let make = field(&["make", "manufacturer"]).or(make).unwrap_or(NO_MAKE);
    let serial = field(&["serial", "serialnumber", "serialno", "sn"])
        .or_else(|| lines().next().filter(|line| !line.contains(['=', ':'])))?;
    CameraId::new(make, serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profiles;
    use proptest::prelude::*;

    #[test]
    fn a_serial_is_read_from_a_line_of_its_own_or_the_first_line() {
        let id = |text: &str, make| from_text(text.as_bytes(), make).map(|id| id.to_string());
        for (text, expected) in [
            ("X81234567\r\nanything", "acme/X81234567"),
            ("\u{feff}X81234567\n", "acme/X81234567"),
            ("\n\n  X8  \n", "acme/X8"),
            ("model: B2\nSerial Number : X8\n", "acme/X8"),
            ("serial=\"X8\"\0\0\0", "acme/X8"),
            ("make=other\nSN=X8", "other/X8"),
        ] {
            assert_eq!(
                id(text, Some("acme")).as_deref(),
                Some(expected),
                "{text:?}"
            );
        }
        assert_eq!(id("X8", None).as_deref(), Some("folder/X8"));
        for none in [
            "",
            "\n",
            "model=B2\n",
            "two words\n",
            "serial=\n",
            "s\u{1b}[2J",
            "\u{fffd}",
        ] {
            assert_eq!(id(none, Some("acme")), None, "{none:?}");
        }
        assert_eq!(from_text(b"\xff\xfeX\x008\x00", None), None);
        assert_eq!(id(&"9".repeat(129), None), None);
    }

    #[test]
    fn a_folders_name_gives_make_and_serial_only_in_the_agreed_form() {
        let mut profile = Profiles::builtin().get("folder").unwrap().as_ref().clone();
        let id = |name: &[u8], profile: &Profile| from_name(name, profile).map(|id| id.to_string());
        assert_eq!(id(b"acme-X8-1", &profile).as_deref(), Some("acme/X8-1"));
        for none in [
            &b"acme"[..],
            b"-X8",
            b"acme-",
            b"ac me-X",
            b"acme-\xff",
            "acme-ü".as_bytes(),
        ] {
            assert_eq!(id(none, &profile), None, "{none:?}");
        }
        profile.make = Some("acme".into());
        assert_eq!(id(b"X8-1", &profile).as_deref(), Some("acme/X8-1"));
        assert_eq!(id(b"ACME-X8", &profile).as_deref(), Some("acme/X8"));
        assert_eq!(id("acmü".as_bytes(), &profile), None);
    }

    proptest! {
        #[test]
        fn whatever_a_camera_says_its_id_is_clean_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(id) = from_text(&bytes, None) {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_graphic()));
            }
            let mut profile = Profiles::builtin().get("folder").unwrap().as_ref().clone();
            let _ = from_name(&bytes, &profile);
            profile.make = Some("é".into());
            let _ = from_name(&bytes, &profile);
        }
    }
}
