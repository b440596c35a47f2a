//! Lists the folders of a mounted camera: bounded in depth and number, with one open folder for each level. The ids of all
//! folders are kept, so that a broken file system that shows one folder in many places has it listed once.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, BorrowedFd};

use jiff::Timestamp;
use rustix::fs::{Dir, FileType, Statx, StatxTimestamp};
use rustix::io::Errno;

use super::listing::{EntrySink, FileEntry, ListingCursor, Refusal};
use super::root_dir::{self, RootDir};
use crate::config::Profile;
use crate::model::SourcePath;

/// Entries beyond the limit are counted up to this many times the limit.
const COUNTED_BEYOND: u64 = 10;

struct OpenFolder {
    dir: Dir,
    /// Length of this folder's path in `ListingCursor::path`.
    path_len: usize,
    /// The name of this folder, or of one that it lies in, is a flag mark.
    flagged: bool,
}

/// An entry of a folder that may be taken or entered.
enum WalkEntry {
    File(Statx),
    Folder(OpenFolder),
}

pub(super) struct FolderWalk<'a> {
    root_dir: &'a RootDir,
    listing: ListingCursor<'a>,
    max_entries: u64,
    seen: u64,
    /// Ids of the folders that were opened.
    folders: HashSet<(u32, u32, u64)>,
}

impl<'a> FolderWalk<'a> {
    /// Lists at most `max_entries`, which is what is left of `limit`.
    pub fn new(root_dir: &'a RootDir, profile: &'a Profile, max_entries: u64, limit: u64) -> Self {
        Self {
            root_dir,
            listing: ListingCursor::new(profile, limit),
            max_entries,
            seen: 0,
            folders: HashSet::new(),
        }
    }

    /// Returns how many names were seen. Fails only when the camera's top folder can't be read; any other failure becomes an
    /// entry with its reason.
    pub fn run(mut self, sink: EntrySink<'_>) -> io::Result<u64> {
        self.folders
            .insert(root_dir::file_id(&root_dir::stat(self.root_dir.fd())?));
        let top = OpenFolder {
            dir: Dir::read_from(self.root_dir.fd())?,
            path_len: 0,
            flagged: false,
        };
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            self.listing.path.truncate(level.path_len);
            let step = match level.dir.read() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(error)) if levels.len() == 1 => return Err(error.into()),
                Some(Err(error)) => {
                    levels.pop();
                    let refusal = ("folder_unreadable", folder_reason(error));
                    self.listing.refuse(None, refusal, sink)
                }
                Some(Ok(entry)) => {
                    let name = entry.file_name();
                    if matches!(name.to_bytes(), b"." | b"..") {
                        continue;
                    }
                    self.seen += 1;
                    if self.seen > self.max_entries {
                        self.listing.beyond += 1;
                        if self.listing.beyond >= self.max_entries.saturating_mul(COUNTED_BEYOND) {
                            break;
                        }
                        continue;
                    }
                    self.listing.path = self.listing.joined(name.to_bytes());
                    self.entry(&mut levels, name, entry.file_type(), sink)
                }
            };
            if step.is_break() {
                return Ok(self.seen);
            }
        }
        self.listing.refuse_beyond(sink);
        Ok(self.seen)
    }

    /// Lists one file of the top folder alone; returns whether its name was seen.
    pub fn one(mut self, name: &SourcePath, sink: EntrySink<'_>) -> io::Result<u64> {
        let bytes = name.as_bytes();
        let stat = match self.root_dir.stat_path(bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            stat => stat?,
        };
        self.listing.path = bytes.to_vec();
        let _ = if root_dir::file_type(&stat).is_file() {
            self.listing.file(&file_entry(bytes, &stat, false), sink)
        } else {
            let refusal = ("not_regular", "is no longer a regular file".to_owned());
            self.listing.refuse(None, refusal, sink)
        };
        Ok(1)
    }

    fn entry(
        &mut self,
        levels: &mut Vec<OpenFolder>,
        name: &CStr,
        kind: FileType,
        sink: EntrySink<'_>,
    ) -> ControlFlow<()> {
        // Never empty: the caller has just read from it.
        let Some(parent) = levels.last() else {
            return ControlFlow::Continue(());
        };
        match self.take(parent, levels.len(), name, kind) {
            Ok(WalkEntry::File(stat)) => {
                let entry = file_entry(name.to_bytes(), &stat, parent.flagged);
                if root_dir::is_mount_root(&stat) {
                    let refusal = ("other_filesystem", OTHER_FILESYSTEM.to_owned());
                    return self.listing.refuse(Some(entry.size), refusal, sink);
                }
                self.listing.file(&entry, sink)
            }
            Ok(WalkEntry::Folder(level)) => {
                levels.push(level);
                ControlFlow::Continue(())
            }
            Err(refusal) => self.listing.refuse(None, refusal, sink),
        }
    }

    fn take(
        &mut self,
        parent: &OpenFolder,
        depth: usize,
        name: &CStr,
        mut kind: FileType,
    ) -> Result<WalkEntry, Refusal> {
        let unreadable = |error: io::Error| ("file_unreadable", stat_reason(&error));
        let dir = parent.dir.fd().map_err(|error| unreadable(error.into()))?;
        if matches!(kind, FileType::RegularFile | FileType::Unknown) {
            let stat = root_dir::stat_at(dir, name).map_err(unreadable)?;
            kind = root_dir::file_type(&stat);
            if kind.is_file() {
                return Ok(WalkEntry::File(stat));
            }
        }
        match kind {
            FileType::Directory => {
                let flagged = parent.flagged || self.listing.flags(name.to_bytes());
                self.folder(dir, depth, name, flagged)
                    .map(WalkEntry::Folder)
            }
            FileType::Symlink => Err((
                "symlink",
                "is a symbolic link, which is never followed".into(),
            )),
            kind => Err((
                "not_regular",
                format!("is not a regular file but {}", kind_name(kind)),
            )),
        }
    }

    fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        depth: usize,
        name: &CStr,
        flagged: bool,
    ) -> Result<OpenFolder, Refusal> {
        ListingCursor::may_enter(depth)?;
        self.listing.source_path()?;
        let unreadable = |error: io::Error| match os_error(&error) {
            Some(Errno::XDEV) => ("other_filesystem", OTHER_FILESYSTEM.to_owned()),
            Some(errno) => ("folder_unreadable", folder_reason(errno)),
            None => (
                "folder_unreadable",
                format!("is a folder that can't be read: {error}"),
            ),
        };
        let fd = self.root_dir.open_dir(parent, name).map_err(unreadable)?;
        let id = root_dir::file_id(&root_dir::stat(fd.as_fd()).map_err(unreadable)?);
        if !self.folders.insert(id) {
            let reason = "is a folder that was listed in another place already, or holds itself: the file system is broken";
            return Err(("folder_loop", reason.to_owned()));
        }
        Ok(OpenFolder {
            dir: Dir::new(fd).map_err(|error| unreadable(error.into()))?,
            path_len: self.listing.path.len(),
            flagged,
        })
    }
}

fn file_entry<'n>(name: &'n [u8], stat: &Statx, folder_flagged: bool) -> FileEntry<'n> {
    FileEntry {
        name,
        size: stat.stx_size,
        modified: timestamp(stat.stx_mtime),
        read_only: stat.stx_mode & 0o222 == 0,
        folder_flagged,
    }
}

const OTHER_FILESYSTEM: &str = "is a mount of another file system inside the camera's folder";

fn os_error(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

fn folder_reason(errno: Errno) -> String {
    match errno {
        Errno::ACCESS | Errno::PERM => "is a folder that may not be read".into(),
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR => {
            "is a folder that changed while it was listed".into()
        }
        other => format!("is a folder that can't be read: {}", io::Error::from(other)),
    }
}

fn stat_reason(error: &io::Error) -> String {
    match os_error(error) {
        Some(Errno::NOENT) => "vanished while the folder was listed".into(),
        _ => format!("can't be read: {error}"),
    }
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

/// The camera's claim, never corrected; `None` when it is out of range.
pub(super) fn timestamp(time: StatxTimestamp) -> Option<Timestamp> {
    Timestamp::new(time.tv_sec, i32::try_from(time.tv_nsec).ok()?).ok()
}
