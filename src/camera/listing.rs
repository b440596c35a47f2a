//! Walks a camera's folders: bounded in depth and number, with one open folder a level; of those behind it only the ids are
//! kept, so that a broken file system that shows one folder in many places has it listed once.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, BorrowedFd};

use jiff::Timestamp;
use rustix::fs::{Dir, FileType, Statx, StatxTimestamp};
use rustix::io::Errno;

use super::beneath::{self, Beneath};
use super::{FILE_BYTES_MAX, Listed, Refused};
use crate::config::Profile;
use crate::model::{Escaped, FileFacts, ItemKind, PathError, SourcePath};

/// Names in a path; the same bound as [`SourcePath`]'s.
const DEPTH_MAX: usize = 64;
/// Of what lies beyond the bound, this many times as much is still counted.
const COUNTED_BEYOND: u64 = 10;
const SHOWN_BYTES: usize = 255;

type Sink<'a> = &'a mut dyn FnMut(Listed) -> ControlFlow<()>;

struct Level {
    dir: Dir,
    /// Length of this folder's path in `Walk::path`.
    path_len: usize,
    /// A folder's name on the way here is a flag mark.
    flagged: bool,
}

pub(super) struct Walk<'a> {
    beneath: &'a Beneath,
    profile: &'a Profile,
    max_entries: u64,
    /// As it is configured, for the reason that is given.
    limit: u64,
    seen: u64,
    beyond: u64,
    /// Folders that were opened.
    folders: HashSet<(u32, u32, u64)>,
    path: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub fn new(beneath: &'a Beneath, profile: &'a Profile, max_entries: u64) -> Self {
        Self {
            beneath,
            profile,
            max_entries,
            limit: max_entries,
            seen: 0,
            beyond: 0,
            folders: HashSet::new(),
            path: Vec::new(),
        }
    }

    /// `max_entries` is what is left of a greater limit.
    pub fn out_of(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Fails only when the camera's top folder can't be read; whatever else fails is an entry with its reason.
    pub fn run(mut self, sink: Sink<'_>) -> io::Result<()> {
        self.folders
            .insert(beneath::file_id(&beneath::stat(self.beneath.root())?));
        let top = Level {
            dir: Dir::read_from(self.beneath.root())?,
            path_len: 0,
            flagged: false,
        };
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            self.path.truncate(level.path_len);
            let step = match level.dir.read() {
                None => {
                    levels.pop();
                    continue;
                }
                Some(Err(error)) if levels.len() == 1 => return Err(error.into()),
                Some(Err(error)) => {
                    levels.pop();
                    self.refuse(None, "folder_unreadable", folder_reason(error), sink)
                }
                Some(Ok(entry)) => {
                    let name = entry.file_name();
                    if matches!(name.to_bytes(), b"." | b"..") {
                        continue;
                    }
                    self.seen += 1;
                    if self.seen > self.max_entries {
                        self.beyond += 1;
                        if self.beyond >= self.max_entries.saturating_mul(COUNTED_BEYOND) {
                            break;
                        }
                        continue;
                    }
                    if !self.path.is_empty() {
                        self.path.push(b'/');
                    }
                    self.path.extend_from_slice(name.to_bytes());
                    self.entry(&mut levels, name, entry.file_type(), sink)
                }
            };
            if step.is_break() {
                return Ok(());
            }
        }
        if self.beyond > 0 {
            let _ = sink(Listed::Refused(Refused {
                path: None,
                name: "(files beyond the limit)".into(),
                size: None,
                code: "too_many_files",
                reason: format!(
                    "at least {} more files or folders, and what these folders hold, were not listed: the limit is {} (`max_files` in [ingest])",
                    self.beyond, self.limit
                ),
            }));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        levels: &mut Vec<Level>,
        name: &CStr,
        mut kind: FileType,
        sink: Sink<'_>,
    ) -> ControlFlow<()> {
        // The caller's loop found it.
        let Some(parent) = levels.last() else {
            return ControlFlow::Continue(());
        };
        let flagged = parent.flagged;
        let dir = match parent.dir.fd() {
            Ok(dir) => dir,
            Err(error) => {
                return self.refuse(None, "file_unreadable", stat_reason(&error.into()), sink);
            }
        };
        let stat = if matches!(kind, FileType::RegularFile | FileType::Unknown) {
            match beneath::stat_at(dir, name) {
                Ok(stat) => {
                    kind = beneath::file_type(&stat);
                    Some(stat)
                }
                Err(error) => {
                    return self.refuse(None, "file_unreadable", stat_reason(&error), sink);
                }
            }
        } else {
            None
        };
        match (kind, stat) {
            (FileType::RegularFile, Some(stat)) => self.file(&stat, name, flagged, sink),
            (FileType::Directory, _) => match self.folder(dir, levels, name, flagged) {
                Ok(level) => {
                    levels.push(level);
                    ControlFlow::Continue(())
                }
                Err((code, reason)) => self.refuse(None, code, reason, sink),
            },
            (FileType::Symlink, _) => self.refuse(
                None,
                "symlink",
                "is a symbolic link, which is never followed",
                sink,
            ),
            (kind, _) => self.refuse(
                None,
                "not_regular",
                format!("is not a regular file but {}", kind_name(kind)),
                sink,
            ),
        }
    }

    fn file(
        &self,
        stat: &Statx,
        name: &CStr,
        folder_flagged: bool,
        sink: Sink<'_>,
    ) -> ControlFlow<()> {
        let size = stat.stx_size;
        if beneath::is_mount_root(stat) {
            return self.refuse(Some(size), "other_filesystem", OTHER_FILESYSTEM, sink);
        }
        if size > FILE_BYTES_MAX {
            let reason = format!("is larger than any store takes ({FILE_BYTES_MAX} bytes)");
            return self.refuse(Some(size), "too_large", reason, sink);
        }
        let path = match SourcePath::new(self.path.as_slice()) {
            Ok(path) => path,
            Err(error) => {
                return self.refuse(Some(size), path_code(error), error.to_string(), sink);
            }
        };
        let name = name.to_bytes();
        let marks = &self.profile.flag;
        let kind = if self.profile.video.matches(name) {
            ItemKind::Video
        } else if self.profile.sidecar.matches(name) {
            ItemKind::Sidecar
        } else {
            ItemKind::Other
        };
        sink(Listed::File(FileFacts {
            path,
            size,
            modified: timestamp(stat.stx_mtime),
            flagged: folder_flagged
                || marks.names.matches(name)
                || (marks.read_only && stat.stx_mode & 0o222 == 0),
            kind,
        }))
    }

    fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        levels: &[Level],
        name: &CStr,
        flagged: bool,
    ) -> Result<Level, (&'static str, String)> {
        if levels.len() >= DEPTH_MAX {
            return Err(("too_deep", format!("is deeper than {DEPTH_MAX} folders")));
        }
        SourcePath::new(self.path.as_slice())
            .map_err(|error| (path_code(error), error.to_string()))?;
        let unreadable = |error: io::Error| match os_error(&error) {
            Some(Errno::XDEV) => ("other_filesystem", OTHER_FILESYSTEM.to_owned()),
            Some(errno) => ("folder_unreadable", folder_reason(errno)),
            None => (
                "folder_unreadable",
                format!("is a folder that can't be read: {error}"),
            ),
        };
        let fd = self.beneath.open_dir(parent, name).map_err(unreadable)?;
        let id = beneath::file_id(&beneath::stat(fd.as_fd()).map_err(unreadable)?);
        if !self.folders.insert(id) {
            let reason = "is a folder that was listed in another place already, or holds itself: the file system is broken";
            return Err(("folder_loop", reason.to_owned()));
        }
        Ok(Level {
            dir: Dir::new(fd).map_err(|error| unreadable(error.into()))?,
            path_len: self.path.len(),
            flagged: flagged || self.profile.flag.folders.matches(name.to_bytes()),
        })
    }

    fn refuse(
        &self,
        size: Option<u64>,
        code: &'static str,
        reason: impl Into<String>,
        sink: Sink<'_>,
    ) -> ControlFlow<()> {
        let path = SourcePath::new(self.path.as_slice()).ok();
        let end = &self.path[self.path.len().saturating_sub(SHOWN_BYTES)..];
        let cut = if end.len() < self.path.len() {
            "…"
        } else {
            ""
        };
        sink(Listed::Refused(Refused {
            path,
            name: format!("{cut}{}", Escaped(end)),
            size,
            code,
            reason: reason.into(),
        }))
    }
}

const OTHER_FILESYSTEM: &str = "is a mount of another file system inside the camera's folder";

fn path_code(error: PathError) -> &'static str {
    match error {
        PathError::TooLong => "path_too_long",
        PathError::TooDeep => "too_deep",
        PathError::Empty | PathError::Escapes => "path_escapes",
    }
}

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
        _ => format!("can't be looked at: {error}"),
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

/// The camera's claim, never corrected; `None` when it is outside of what can be expressed.
pub(super) fn timestamp(time: StatxTimestamp) -> Option<Timestamp> {
    Timestamp::new(time.tv_sec, i32::try_from(time.tv_nsec).ok()?).ok()
}
