//! The folder camera with real files on the real kernel: reading, identities, and hostile or broken contents.

mod bad_folders;
mod identity;
mod reading;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use camdock::camera::{
    Camera, CameraEntry, CameraError, Change, FILE_BYTES_MAX, FolderCamera, RefusedEntry,
};
use camdock::config::Profiles;
use camdock::model::{Explain as _, FileFacts, ItemKind, SourcePath};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.root()).unwrap();
        place
    }

    /// The camera's folder; markers lie beside it.
    fn root(&self) -> PathBuf {
        self.0.path().join("bay-1")
    }

    fn put(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn camera(&self) -> FolderCamera {
        FolderCamera::open(&self.root(), "folder", &Profiles::builtin()).unwrap()
    }
}

#[derive(Default)]
struct Listing {
    files: BTreeMap<Vec<u8>, FileFacts>,
    refused: Vec<RefusedEntry>,
}

impl Listing {
    fn of(camera: &mut dyn Camera) -> Self {
        let mut listing = Self::default();
        camera
            .list(&mut |entry| {
                match entry {
                    CameraEntry::File(facts) => {
                        let name = facts.path.as_bytes().to_vec();
                        assert!(listing.files.insert(name, facts).is_none());
                    }
                    CameraEntry::Refused(refused) => listing.refused.push(refused),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        listing
    }

    fn code(&self, name: &str) -> &'static str {
        let found = self.refused.iter().find(|refused| refused.name == name);
        found
            .unwrap_or_else(|| panic!("{name}: {:?}", self.refused))
            .code
    }

    fn names(&self) -> Vec<&str> {
        self.files
            .keys()
            .map(|name| std::str::from_utf8(name).unwrap())
            .collect()
    }
}

fn path(text: impl AsRef<[u8]>) -> SourcePath {
    SourcePath::new(text.as_ref()).unwrap()
}

fn read(camera: &mut dyn Camera, name: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = camera.open(&path(name)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn error(camera: &mut dyn Camera, name: impl AsRef<[u8]>) -> CameraError {
    match camera.open(&path(name)) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}
