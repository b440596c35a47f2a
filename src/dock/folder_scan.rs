//! Scans one configured folder, and keeps a bounded number of notify watches on the cameras in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use notify::event::{CreateKind, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::docked_folders::{BAYS_MAX, FolderEntry, FolderId, FolderScan};
use crate::model::Mounted;

/// Names read in a configured folder: files there are no cameras, but they must not cost more than this.
const NAMES_MAX: usize = 100_000;
/// Watched folders of one camera, and names read in each to find them: a camera can't use up the kernel's watches.
const WATCHES_MAX: usize = 64;
const INSIDE_NAMES_MAX: usize = 4096;
/// The camera's own folder, `DCIM`, `DCIM/100MEDIA`.
const WATCHED_DEPTH: usize = 3;
const SLOWER: &str = "nothing is missed, only found later; raise fs.inotify.max_user_instances and fs.inotify.max_user_watches";

pub(super) fn scan(root: &Path) -> FolderScan {
    // The configured folder itself may be a link, because it belongs to the operator.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let failed = |errno: Errno| {
        let reason = std::io::Error::from(errno).to_string();
        match errno {
            Errno::NOENT | Errno::NOTDIR => FolderScan::Missing(reason),
            _ => FolderScan::Unclear(reason),
        }
    };
    let dir = match rustix::fs::openat(CWD, root, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(errno) => return failed(errno),
    };
    let entries = match Dir::read_from(&dir) {
        Ok(entries) => entries,
        Err(errno) => return failed(errno),
    };
    let mut found = BTreeMap::new();
    let mut mounted = BTreeMap::new();
    let mut too_many = false;
    for entry in entries.take(NAMES_MAX) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(errno) => return FolderScan::Unclear(std::io::Error::from(errno).to_string()),
        };
        let name = entry.file_name().to_bytes();
        let kind = entry.file_type();
        let possible = matches!(
            kind,
            FileType::Directory | FileType::Symlink | FileType::Unknown
        );
        if name.starts_with(b".") || !possible {
            continue;
        }
        // An entry that has vanished is noticed by the next scan.
        if let Some(seen) = stat(&dir, name) {
            found.insert(name.to_vec(), seen);
            if let Some(marker) = marker(&dir, name) {
                mounted.insert(name.to_vec(), marker);
            }
        }
        if found.len() > BAYS_MAX {
            found.pop_last();
            too_many = true;
        }
    }
    FolderScan::Entries {
        found,
        mounted,
        too_many,
    }
}

/// The mount helper's marker beside a folder; the camera room reads other markers.
fn marker(dir: impl AsFd, name: &[u8]) -> Option<Mounted> {
    let name = [name, b".camera"].concat();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(Mounted::BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Mounted::parse(&bytes)
}

fn stat(dir: impl AsFd, name: &[u8]) -> Option<FolderEntry> {
    let stat = rustix::fs::statx(
        dir,
        name,
        AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID,
    )
    .ok()?;
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => Some(FolderEntry::Folder(FolderId {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec),
            mount: stat.stx_mnt_id,
        })),
        FileType::Symlink => Some(FolderEntry::Symlink),
        _ => None,
    }
}

/// The changes that notify has reported since the last call. Bounded, whatever a camera does.
#[derive(Debug, Default)]
pub(super) struct FolderChanges {
    /// The configured folder itself changed.
    pub top: bool,
    /// Docked folders in which something changed.
    pub inside: BTreeSet<Vec<u8>>,
    new_folders: BTreeSet<PathBuf>,
}

impl FolderChanges {
    pub fn merge(&mut self, later: Self) {
        self.top |= later.top;
        self.inside.extend(later.inside);
        self.new_folders.extend(later.new_folders);
    }

    pub fn new_folder(&self) -> bool {
        !self.new_folders.is_empty()
    }
}

/// Watches one configured folder and, bounded, the folders of its cameras. The slow scan finds everything without them, too.
pub(super) struct FolderWatches {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    changes: Arc<Mutex<FolderChanges>>,
    root_id: Option<(u64, u64)>,
    cameras: BTreeMap<Vec<u8>, (FolderEntry, Vec<PathBuf>)>,
}

impl FolderWatches {
    pub fn new(root: &Path, wake: SyncSender<()>) -> Self {
        let changes = Arc::new(Mutex::new(FolderChanges::default()));
        let (noted, at) = (Arc::clone(&changes), root.to_owned());
        let handler = move |event: notify::Result<notify::Event>| {
            if note_change(&at, &noted, event) {
                // A full channel means that a wake-up is pending.
                let _ = wake.try_send(());
            }
        };
        let config = notify::Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config)
            .inspect_err(|error| {
                tracing::warn!(code = "watch_missing", root = %root.display(), %error, next_step = SLOWER, "docked folders are found by the slow scan only");
            })
            .ok();
        Self {
            root: root.to_owned(),
            watcher,
            changes,
            root_id: None,
            cameras: BTreeMap::new(),
        }
    }

    pub fn take(&self) -> FolderChanges {
        std::mem::take(&mut self.changes.lock())
    }

    /// Watches the configured folder if it exists and is not watched yet. Call it before scanning, so that nothing is missed.
    pub fn watch_root(&mut self) {
        use std::os::unix::fs::MetadataExt as _;
        let id = std::fs::metadata(&self.root)
            .ok()
            .map(|stat| (stat.dev(), stat.ino()));
        if id == self.root_id {
            return;
        }
        self.root_id = id;
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.unwatch(&self.root);
            if id.is_some()
                && let Err(error) = watcher.watch(&self.root, RecursiveMode::NonRecursive)
            {
                tracing::warn!(code = "watch_missing", root = %self.root.display(), %error, next_step = SLOWER, "docked folders are found by the slow scan only");
            }
        }
    }

    /// Moves the watches to the cameras that a scan found.
    pub fn watch_cameras(&mut self, scan: &FolderScan, changes: &FolderChanges) {
        let empty = BTreeMap::new();
        let none = BTreeMap::new();
        let (found, mounted) = match scan {
            FolderScan::Entries { found, mounted, .. } => (found, mounted),
            FolderScan::Missing(_) => (&empty, &none),
            FolderScan::Unclear(_) => return,
        };
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for (_, (_, paths)) in self
            .cameras
            .extract_if(.., |name, (was, _)| found.get(name) != Some(was))
        {
            for path in paths {
                // Usually the folder is gone, and its watch with it.
                let _ = watcher.unwatch(&path);
            }
        }
        for (name, seen) in found {
            // A medium that is mounted read-only does not change, and reading it can hang.
            let ours = mounted.contains_key(name);
            if matches!(seen, FolderEntry::Folder(_)) && !ours && !self.cameras.contains_key(name) {
                let mut paths = Vec::new();
                let top = self.root.join(OsStr::from_bytes(name));
                watch_inside(watcher, &top, WATCHED_DEPTH, &mut paths);
                self.cameras.insert(name.clone(), (*seen, paths));
            }
        }
        for path in &changes.new_folders {
            if let Some(name) = camera_of(&self.root, path)
                && let Some((_, paths)) = self.cameras.get_mut(name)
                && let Ok(inner) = path.strip_prefix(&self.root)
            {
                let depth = inner.components().count();
                watch_inside(
                    watcher,
                    path,
                    (WATCHED_DEPTH + 1).saturating_sub(depth),
                    paths,
                );
            }
        }
    }
}

fn watch_inside(
    watcher: &mut RecommendedWatcher,
    folder: &Path,
    depth: usize,
    paths: &mut Vec<PathBuf>,
) {
    if depth == 0 || paths.len() >= WATCHES_MAX || paths.iter().any(|path| path == folder) {
        return;
    }
    if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
        tracing::debug!(folder = %folder.display(), %error, "not watched");
        return;
    }
    paths.push(folder.to_owned());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.take(INSIDE_NAMES_MAX).flatten() {
        // The type is that of the entry itself: links are not followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            watch_inside(watcher, &entry.path(), depth - 1, paths);
        }
    }
}

/// Notes an event; `true`: the scanner must wake.
fn note_change(
    root: &Path,
    changes: &Mutex<FolderChanges>,
    event: notify::Result<notify::Event>,
) -> bool {
    let mut changes = changes.lock();
    let Ok(event) = event else {
        changes.top = true;
        return true;
    };
    // The station's own reading causes these events: waking on them would never end.
    if event.kind.is_access() {
        return false;
    }
    if event.paths.is_empty() {
        // The kernel's queue has overflowed.
        changes.top = true;
    }
    for path in &event.paths {
        match camera_of(root, path) {
            Some(name) if path.parent() != Some(root) => {
                if changes.inside.len() < BAYS_MAX {
                    changes.inside.insert(name.to_vec());
                }
                let folder = matches!(
                    event.kind,
                    EventKind::Create(CreateKind::Folder)
                        | EventKind::Modify(notify::event::ModifyKind::Name(_))
                );
                if folder && changes.new_folders.len() < WATCHES_MAX {
                    changes.new_folders.insert(path.clone());
                }
            }
            _ => changes.top = true,
        }
    }
    true
}

/// The name of the docked folder that a path lies in or is.
fn camera_of<'a>(root: &Path, path: &'a Path) -> Option<&'a [u8]> {
    match path.strip_prefix(root).ok()?.components().next()? {
        Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    }
}
