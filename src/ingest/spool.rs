//! The spool: the folder of sealed files on this station, and its free room.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::durable::{self, DurableError};
use crate::metrics;
use crate::model::{EvidenceId, Part};

/// The spool folder. Names come from evidence ids, never from a camera.
pub struct Spool {
    dir: PathBuf,
    reserve: u64,
    /// Bytes that running pulls have yet to write.
    promised: AtomicU64,
}

/// Room that is reserved for one pull until this is dropped.
pub struct ReservedRoom<'a> {
    spool: &'a Spool,
    bytes: u64,
}

impl Drop for ReservedRoom<'_> {
    fn drop(&mut self) {
        self.spool.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Spool {
    pub fn open(dir: &Path, reserve: u64) -> Result<Self, DurableError> {
        durable::create_dir(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            reserve,
            promised: AtomicU64::new(0),
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes that stay free.
    pub const fn reserve(&self) -> u64 {
        self.reserve
    }

    pub fn partial(&self, id: EvidenceId) -> PathBuf {
        self.dir.join(format!("{id}.part"))
    }

    pub fn sealed(&self, id: EvidenceId) -> PathBuf {
        self.dir.join(format!("{id}.sealed"))
    }

    /// The rest of a sealed file that was found damaged.
    pub fn damaged(&self, id: EvidenceId) -> PathBuf {
        self.dir.join(format!("{id}.damaged"))
    }

    /// A sealed file that nothing here knows.
    pub fn unknown(&self, id: EvidenceId) -> PathBuf {
        self.dir.join(format!("{id}.unknown"))
    }

    /// A sealed preview, whole and durable.
    pub fn preview(&self, id: EvidenceId, part: Part) -> PathBuf {
        self.dir.join(format!("{id}.{part}"))
    }

    /// The same while it is being made.
    pub fn preview_partial(&self, id: EvidenceId, part: Part) -> PathBuf {
        self.dir.join(format!("{id}.{part}-part"))
    }

    /// The previews in the spool; `None` instead of the part for one that was being made.
    pub fn previews(&self) -> std::io::Result<Vec<(PathBuf, EvidenceId, Option<Part>)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((stem, kind)) = name.to_str().and_then(|n| n.split_once('.')) else {
                continue;
            };
            let part = [Part::Storyboard, Part::Preview].into_iter().find(|part| {
                kind.strip_prefix(part.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest == "-part")
            });
            if let (Ok(id), Some(part)) = (stem.parse(), part) {
                found.push((entry.path(), id, (kind == part.as_str()).then_some(part)));
            }
        }
        Ok(found)
    }

    /// Less is free than pulls need: previews that only wait should give way.
    pub fn is_short(&self) -> bool {
        self.free().is_some_and(|free| free < self.reserve)
    }

    /// Free bytes for an ordinary user; `None` when the filesystem does not say.
    pub fn free(&self) -> Option<u64> {
        #[cfg(debug_assertions)]
        if crate::failpoint::fails("spool: free", &self.dir).is_err() {
            return Some(0);
        }
        let stat = rustix::fs::statvfs(&self.dir).ok()?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        metrics::spool_free(free);
        Some(free)
    }

    /// The most that one file may have, sealed, on this disk when nothing else lies in the spool; `None` when the filesystem
    /// does not say, or when the reserve alone is more than the disk.
    pub fn capacity(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.dir).ok()?;
        let for_root = stat.f_bfree.saturating_sub(stat.f_bavail);
        let blocks = stat.f_blocks.saturating_sub(for_root);
        let bytes = blocks.saturating_mul(stat.f_frsize);
        bytes.checked_sub(self.reserve).filter(|bytes| *bytes > 0)
    }

    /// Whether there is room for `bytes` now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let promised = self.promised.load(Ordering::Relaxed);
        let needed = promised.saturating_add(bytes).saturating_add(self.reserve);
        needed <= self.free().unwrap_or(u64::MAX)
    }

    /// Reserves room for `bytes` beside what always stays free; `None` when there is not that much now.
    pub fn room(&self, bytes: u64) -> Option<ReservedRoom<'_>> {
        let free = self.free().unwrap_or(u64::MAX);
        let before = self.promised.fetch_add(bytes, Ordering::Relaxed);
        let room = ReservedRoom { spool: self, bytes };
        (before.saturating_add(bytes).saturating_add(self.reserve) <= free).then_some(room)
    }

    /// Ids of the files in the spool, with whether each is a partial one.
    pub fn list(&self) -> std::io::Result<Vec<(EvidenceId, bool)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let Some((stem, kind)) = name.to_str().and_then(|n| n.split_once('.')) else {
                continue;
            };
            if let (Ok(id), "part" | "sealed") = (stem.parse(), kind) {
                found.push((id, kind == "part"));
            }
        }
        Ok(found)
    }
}
