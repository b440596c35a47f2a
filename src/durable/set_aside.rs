//! Room on a disk that is set aside for what must be written even when the disk is full.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

use super::{DurableError, at, private};
use crate::failpoint::disk;

/// A file that has blocks and no content. Its room is given back while the disk is full, and taken again later.
#[derive(Debug)]
pub struct SetAside {
    file: File,
    path: PathBuf,
    bytes: u64,
    taken: AtomicBool,
}

impl SetAside {
    /// Opens or creates the file, and takes the room if the disk has it.
    pub fn open(path: &Path, bytes: u64) -> Result<Self, DurableError> {
        let mut options = private();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path).map_err(at("open", path))?;
        let room = Self {
            file,
            path: path.to_owned(),
            bytes,
            taken: AtomicBool::new(false),
        };
        room.take();
        Ok(room)
    }

    /// Takes the room unless it is taken, or the disk has so little left that it would soon be given back.
    pub fn take(&self) {
        if self.taken.load(Ordering::Acquire) || self.bytes == 0 {
            return;
        }
        let there = self.file.metadata().map_or(0, |found| found.len());
        let free = fstatvfs(&self.file).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize));
        if there >= self.bytes || free < self.bytes * 3 {
            self.taken.store(there >= self.bytes, Ordering::Release);
            return;
        }
        // Some filesystems cannot; then there is no such room.
        match fallocate(&self.file, FallocateFlags::empty(), 0, self.bytes) {
            Ok(()) => self.taken.store(true, Ordering::Release),
            Err(_) => drop(self.give_back()),
        }
    }

    /// Gives the room back to others.
    pub fn give_back(&self) -> Result<(), DurableError> {
        disk!("give room back", &self.path, at("truncate", &self.path));
        self.taken.store(false, Ordering::Release);
        self.file.set_len(0).map_err(at("truncate", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_room_is_on_the_disk_until_it_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("room");
        let blocks = || std::fs::metadata(&path).unwrap().blocks() * 512;
        let room = SetAside::open(&path, 1 << 20).unwrap();
        if blocks() == 0 {
            eprintln!("SKIPPED: this filesystem cannot set room aside");
            return;
        }
        assert!(blocks() >= 1 << 20);
        room.give_back().unwrap();
        assert_eq!(blocks(), 0);
        room.take();
        assert!(blocks() >= 1 << 20);
        drop(room);
        assert!(SetAside::open(&path, 1 << 20).unwrap().taken.into_inner());
    }
}
