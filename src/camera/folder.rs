//! A camera that is a folder which something else mounts, copies or synchronises.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, Statx};

use super::folder_walk::{FolderWalk, timestamp};
use super::identity;
use super::root_dir::{self, RootDir};
use super::{Camera, CameraEntry, CameraError, CameraFile, Change, OpenFacts};
use crate::config::{Access, Profile, Profiles};
use crate::model::{CameraId, CameraIdentity, Condition, FileTimes, IMPORT_MAKE, SourcePath};

/// See `max_files` in [ingest].
const MAX_FILES: u64 = 1_000_000;

pub struct FolderCamera {
    root: PathBuf,
    root_dir: Arc<RootDir>,
    profile: Arc<Profile>,
    identity: CameraIdentity,
    max_files: u64,
    /// The last listing found a name, be it of a file or of a folder.
    showed_names: bool,
    /// Only this file of the folder is taken.
    only: Option<SourcePath>,
}

impl FolderCamera {
    /// Opens the folder and identifies the camera. A marker beside it may name another profile than the folder's.
    pub fn open(root: &Path, profile: &str, profiles: &Profiles) -> Result<Self, CameraError> {
        let failed = |source| CameraError::Root {
            root: root.to_owned(),
            source,
        };
        let root_dir = RootDir::new(root).map_err(failed)?;
        let marker = identity::marker(root);
        let named = marker.as_ref().and_then(|marker| marker.profile.as_deref());
        let known = named.and_then(|name| profiles.get(name));
        if let (Some(name), None) = (named, known) {
            tracing::warn!(code = "marker_unusable", root = %root.display(), profile = ?name, instead = profile,
                next_step = "add this profile, or correct the marker beside the folder; the camera is read by the other profile",
                "the marker of a docked folder names an unknown profile");
        }
        let profile = known
            .or_else(|| profiles.get(profile))
            .ok_or_else(|| failed(io::Error::other(format!("no profile {profile:?}"))))?;
        let id = identity::identify(root, &root_dir, profile, marker.as_ref());
        Ok(Self {
            root: root.to_owned(),
            root_dir: Arc::new(root_dir),
            profile: Arc::clone(profile),
            identity: CameraIdentity {
                id,
                profile: profile.name.clone(),
                access: Access::Folder.as_str().into(),
            },
            max_files: MAX_FILES,
            showed_names: false,
            only: None,
        })
    }

    /// Opens what is imported, a folder or one file of a folder, under the identity that was given to it.
    pub fn imported(
        path: &Path,
        profile: &Arc<Profile>,
        id: CameraId,
    ) -> Result<Self, CameraError> {
        let failed = |source| CameraError::Root {
            root: path.to_owned(),
            source,
        };
        let kind = root_dir::file_type(&root_dir::stat_path(path).map_err(failed)?);
        let (root, only) = match (kind.is_file(), path.parent(), path.file_name()) {
            (false, ..) => (path, None),
            (true, Some(root), Some(name)) => {
                let name = SourcePath::new(name.as_bytes());
                (root, Some(name.map_err(|e| failed(io::Error::other(e)))?))
            }
            (true, ..) => return Err(failed(io::ErrorKind::InvalidInput.into())),
        };
        Ok(Self {
            root: root.to_owned(),
            root_dir: Arc::new(RootDir::new(root).map_err(failed)?),
            profile: Arc::clone(profile),
            identity: CameraIdentity {
                id: Some(id),
                profile: profile.name.clone(),
                access: IMPORT_MAKE.into(),
            },
            max_files: MAX_FILES,
            showed_names: false,
            only,
        })
    }

    /// Entries listed at most; see `max_files` in [ingest].
    pub fn with_max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    #[cfg(test)]
    pub(super) fn going_by_name(mut self) -> Self {
        let root_dir = RootDir::new(&self.root).unwrap();
        self.root_dir = Arc::new(root_dir.going_by_name());
        self
    }

    fn gone(&self) -> CameraError {
        CameraError::Gone {
            root: self.root.clone(),
        }
    }
}

impl Camera for FolderCamera {
    fn identity(&self) -> &CameraIdentity {
        &self.identity
    }

    fn condition(&mut self) -> Condition {
        // Without a configured zone, it is unknown whether the files' times are the camera's own.
        let zone = self.profile.time_zone.clone();
        Condition {
            file_times: zone.map(FileTimes::Local),
            ..Condition::default()
        }
    }

    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        let limit = self.max_files;
        let walk = FolderWalk::new(&self.root_dir, &self.profile, limit, limit);
        let walked = match &self.only {
            Some(name) => walk.one(name, sink),
            None => walk.run(sink),
        };
        // A camera that left during the listing looks like one with fewer files.
        if !self.still_there() {
            return Err(self.gone());
        }
        let names = walked.map_err(|source| CameraError::Root {
            root: self.root.clone(),
            source,
        })?;
        self.showed_names = names > 0;
        Ok(())
    }

    fn proves_empty(&self) -> bool {
        self.showed_names
    }

    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        let opened = FolderFile::open(Arc::clone(&self.root_dir), path);
        match opened {
            Ok(file) => Ok(Box::new(file)),
            Err(_) if !self.still_there() => Err(self.gone()),
            Err(error) => Err(error),
        }
    }

    fn still_there(&self) -> bool {
        let (Ok(held), Ok(there)) = (
            root_dir::stat(self.root_dir.fd()),
            root_dir::stat_path(&self.root),
        ) else {
            return false;
        };
        held.stx_nlink > 0
            && root_dir::file_id(&held) == root_dir::file_id(&there)
            && held.stx_mnt_id == there.stx_mnt_id
    }
}

pub(super) struct FolderFile {
    file: File,
    path: SourcePath,
    opened: Statx,
    root_dir: Arc<RootDir>,
}

impl FolderFile {
    pub(super) fn open(root_dir: Arc<RootDir>, path: &SourcePath) -> Result<Self, CameraError> {
        let failed = |source| CameraError::reading(path, source);
        let bytes = path.as_bytes();
        // Checked before it is opened, because opening a device can already have an effect.
        let before = root_dir.stat_path(bytes).map_err(failed)?;
        match root_dir::file_type(&before) {
            kind if kind.is_file() => {}
            kind if kind.is_symlink() => return Err(CameraError::Escapes { path: path.clone() }),
            _ => return Err(CameraError::NotRegular { path: path.clone() }),
        }
        let fd = root_dir.open_file(bytes).map_err(failed)?;
        let opened = root_dir::stat(fd.as_fd()).map_err(failed)?;
        if root_dir::file_id(&before) != root_dir::file_id(&opened) {
            return Err(CameraError::Swapped { path: path.clone() });
        }
        // A hint only.
        let _ = rustix::fs::fadvise(&fd, 0, None, Advice::Sequential);
        Ok(Self {
            file: File::from(fd),
            path: path.clone(),
            opened,
            root_dir,
        })
    }

    pub(super) fn opened(&self) -> &Statx {
        &self.opened
    }

    pub(super) fn descriptor(&self) -> &File {
        &self.file
    }

    fn failed(&self) -> impl Fn(io::Error) -> CameraError + '_ {
        |source| CameraError::reading(&self.path, source)
    }
}

impl Read for FolderFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(debug_assertions)]
        let buffer = crate::failpoint::camera(self.path.as_bytes(), buffer)?;
        self.file.read(buffer)
    }
}

impl CameraFile for FolderFile {
    fn facts(&self) -> OpenFacts {
        OpenFacts {
            size: self.opened.stx_size,
            modified: timestamp(self.opened.stx_mtime),
        }
    }

    fn recheck(&mut self) -> Result<Option<Change>, CameraError> {
        let at_path = match self.root_dir.stat_path(self.path.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Change::Removed));
            }
            stat => stat.map_err(self.failed())?,
        };
        // Read after the path's facts, so that a write between the two is noticed.
        let now = root_dir::stat(self.file.as_fd()).map_err(self.failed())?;
        Ok(change(&self.opened, &now, &at_path))
    }

    fn seek_to(&mut self, offset: u64) -> Result<(), CameraError> {
        let sought = self.file.seek(SeekFrom::Start(offset));
        sought.map(drop).map_err(self.failed())
    }

    fn limit_reads(&mut self, bytes: usize) {
        // A hint only: without it, the kernel reads several times as much ahead.
        let advice = match bytes {
            usize::MAX => Advice::Sequential,
            _ => Advice::Random,
        };
        let _ = rustix::fs::fadvise(&self.file, 0, None, advice);
    }
}

fn change(opened: &Statx, now: &Statx, at_path: &Statx) -> Option<Change> {
    let times = |stat: &Statx| {
        let (m, c) = (stat.stx_mtime, stat.stx_ctime);
        (m.tv_sec, m.tv_nsec, c.tv_sec, c.tv_nsec)
    };
    if root_dir::file_id(at_path) != root_dir::file_id(opened) {
        Some(Change::Replaced)
    } else if now.stx_size != opened.stx_size {
        Some(Change::Size {
            was: opened.stx_size,
            now: now.stx_size,
        })
    } else if times(now) != times(opened) {
        Some(Change::Touched)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Without openat2, paths are opened name by name: both ways must give the same results.
    #[test]
    fn going_by_name_opens_and_refuses_the_same_as_openat2() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("bay");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c.mp4"), "footage").unwrap();
        fs::write(dir.path().join("outside"), "outside").unwrap();
        symlink("a", root.join("link")).unwrap();
        symlink("../outside", root.join("a/out")).unwrap();
        let profiles = Profiles::builtin();
        let open = |root: &Path| FolderCamera::open(root, "folder", &profiles).unwrap();
        let listed = |mut camera: FolderCamera| {
            let mut entries = Vec::new();
            let result = camera.list(&mut |entry| {
                entries.push(format!("{entry:?}"));
                ControlFlow::Continue(())
            });
            result.unwrap();
            entries.sort();
            entries
        };
        let tried = |mut camera: FolderCamera, path: &str| {
            let mut text = String::new();
            match camera.open(&SourcePath::new(path).unwrap()) {
                Ok(mut file) => file.read_to_string(&mut text).map(|_| text).unwrap(),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(listed(open(&root)), listed(open(&root).going_by_name()));
        for (path, expected) in [
            ("a/b/c.mp4", "footage"),
            ("link/b/c.mp4", "leads through"),
            ("a/out", "leads through"),
            ("a/b", "not a regular file"),
            ("a/x", "no longer on the camera"),
            ("a/b/c.mp4/d", "leads through"),
        ] {
            let by_name = tried(open(&root).going_by_name(), path);
            assert!(by_name.contains(expected), "{path}: {by_name}");
            assert_eq!(tried(open(&root), path), by_name);
        }
        // Every Linux machine has other file systems mounted here.
        let dev = Path::new("/dev");
        for path in ["pts/ptmx", "null", "stdin"] {
            assert_eq!(
                tried(open(dev), path),
                tried(open(dev).going_by_name(), path)
            );
        }
        let pts =
            |entries: Vec<String>| entries.into_iter().find(|e| e.contains("\"pts\"")).unwrap();
        assert!(pts(listed(open(dev).going_by_name())).contains("other_filesystem"));
    }
}
