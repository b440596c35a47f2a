//! The state that every listing has, however the camera is read: the path that it has reached, its bounds, and the form in
//! which files and refusals are handed on. Nothing that was seen is skipped without a reason (promise 1).

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{CameraEntry, FILE_BYTES_MAX, RefusedEntry};
use crate::config::Profile;
use crate::model::{Escaped, FileFacts, ItemKind, PathError, SourcePath};

/// Names in a path; the same bound as [`SourcePath`]'s.
const DEPTH_MAX: usize = 64;
const SHOWN_BYTES: usize = 255;

pub(super) type EntrySink<'a> = &'a mut dyn FnMut(CameraEntry) -> ControlFlow<()>;

/// The reason why an entry can't be taken: a stable code, and one clause for people.
pub(super) type Refusal = (&'static str, String);

/// Facts of one file as its camera gives them.
pub(super) struct FileEntry<'a> {
    /// The last name of its path.
    pub name: &'a [u8],
    pub size: u64,
    pub modified: Option<Timestamp>,
    pub read_only: bool,
    /// One of its folders has a name that is a flag mark.
    pub folder_flagged: bool,
}

/// One listing in progress.
pub(super) struct ListingCursor<'a> {
    profile: &'a Profile,
    /// `max_files` as it is configured, for the reason that is given.
    limit: u64,
    /// Entries beyond the limit, as far as they were counted.
    pub beyond: u64,
    /// The path of the entry that is being looked at.
    pub path: Vec<u8>,
}

impl<'a> ListingCursor<'a> {
    pub fn new(profile: &'a Profile, limit: u64) -> Self {
        Self {
            profile,
            limit,
            beyond: 0,
            path: Vec::new(),
        }
    }

    /// The current path with one more name.
    pub fn joined(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    pub fn source_path(&self) -> Result<SourcePath, Refusal> {
        SourcePath::new(self.path.as_slice()).map_err(|error| {
            let code = match error {
                PathError::TooLong => "path_too_long",
                PathError::TooDeep => "too_deep",
                PathError::Empty | PathError::Escapes => "path_escapes",
            };
            (code, error.to_string())
        })
    }

    /// Whether a folder may be entered: `depth` folders lead to it, the camera's top one included.
    pub fn may_enter(depth: usize) -> Result<(), Refusal> {
        if depth < DEPTH_MAX {
            Ok(())
        } else {
            Err(("too_deep", format!("is deeper than {DEPTH_MAX} folders")))
        }
    }

    /// Whether a folder's name flags what it holds.
    pub fn flags(&self, folder: &[u8]) -> bool {
        self.profile.flag.folders.matches(folder)
    }

    /// Hands on the file at the current path, or says why it can't be taken.
    pub fn file(&self, entry: &FileEntry<'_>, sink: EntrySink<'_>) -> ControlFlow<()> {
        if entry.size > FILE_BYTES_MAX {
            let reason = format!("is larger than any store takes ({FILE_BYTES_MAX} bytes)");
            return self.refuse(Some(entry.size), ("too_large", reason), sink);
        }
        let path = match self.source_path() {
            Ok(path) => path,
            Err(refusal) => return self.refuse(Some(entry.size), refusal, sink),
        };
        let kind = if self.profile.video.matches(entry.name) {
            ItemKind::Video
        } else if self.profile.sidecar.matches(entry.name) {
            ItemKind::Sidecar
        } else {
            ItemKind::Other
        };
        let marks = &self.profile.flag;
        sink(CameraEntry::File(FileFacts {
            path,
            size: entry.size,
            modified: entry.modified,
            flagged: entry.folder_flagged
                || marks.names.matches(entry.name)
                || (marks.read_only && entry.read_only),
            kind,
        }))
    }

    /// Names what lies at the current path, with the reason why it is not taken.
    pub fn refuse(
        &self,
        size: Option<u64>,
        (code, reason): Refusal,
        sink: EntrySink<'_>,
    ) -> ControlFlow<()> {
        let end = &self.path[self.path.len().saturating_sub(SHOWN_BYTES)..];
        let cut = if end.len() < self.path.len() {
            "…"
        } else {
            ""
        };
        let name = match end {
            // Entries without a path are distinguished by their reason.
            [] => format!("({reason})"),
            end => format!("{cut}{}", Escaped(end)),
        };
        sink(CameraEntry::Refused(RefusedEntry {
            path: SourcePath::new(self.path.as_slice()).ok(),
            name,
            size,
            code,
            reason,
        }))
    }

    /// Names what was left out because there is too much. The last entry of a listing.
    pub fn refuse_beyond(&self, sink: EntrySink<'_>) {
        if self.beyond == 0 {
            return;
        }
        let _ = sink(CameraEntry::Refused(RefusedEntry {
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
}
