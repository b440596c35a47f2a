//! A file of fixed-size slots that are overwritten in place, for what must be erasable.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{DurableError, at, parent_of, private, sync_dir};
use crate::failpoint::disk;

/// Mode 0600. What is written is durable after [`Self::sync`].
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    path: PathBuf,
}

impl SlotFile {
    /// Opens the file, or creates an empty one whose name is durable.
    pub fn open(path: &Path) -> Result<Self, DurableError> {
        let known = path.exists();
        let mut options = private();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path).map_err(at("open", path))?;
        if !known {
            sync_dir(parent_of(path))?;
        }
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The bytes of all slots.
    pub fn read_all(&self) -> Result<Vec<u8>, DurableError> {
        let length = self.file.metadata().map_err(at("stat", &self.path))?.len();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self.file.read_exact_at(&mut bytes, 0);
        read.map_err(at("read", &self.path))?;
        Ok(bytes)
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DurableError> {
        disk!("write slot", &self.path, at("write", &self.path));
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(at("write", &self.path))
    }

    pub fn sync(&self) -> Result<(), DurableError> {
        disk!("sync slots", &self.path, at("sync", &self.path));
        self.file.sync_data().map_err(at("sync", &self.path))
    }
}
