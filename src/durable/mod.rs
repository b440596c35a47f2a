//! The only way evidence, log and journal files reach a disk: file synced, renamed, folder synced.
//!
//! After a failed sync nothing is assumed about the file: the caller throws it away and begins again.

mod bulk;
mod set_aside;
mod slots;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::failpoint::{disk, reached, step};
use crate::model::{Explain, RetryClass};
use crate::sys;

pub use bulk::{BLOCK, BulkFile, open_direct, sync_together};
pub use set_aside::SetAside;
pub use slots::SlotFile;

/// Sealed bytes written before the kernel is asked to begin writing them out, so that the last sync is short.
const WRITEBACK_STEP: u64 = 8 << 20;

#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub struct DurableError {
    action: &'static str,
    path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl DurableError {
    pub fn disk_full(&self) -> bool {
        matches!(
            self.source
                .raw_os_error()
                .map(rustix::io::Errno::from_raw_os_error),
            Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)
        )
    }
}

impl Explain for DurableError {
    fn retry_class(&self) -> RetryClass {
        if self.disk_full() {
            RetryClass::Later
        } else {
            RetryClass::Operator
        }
    }

    fn label(&self) -> &'static str {
        if self.disk_full() {
            "disk_full"
        } else {
            "disk_error"
        }
    }

    fn next_step(&self) -> String {
        if self.disk_full() {
            "Free space on the station's disk, or wait for the uploads to drain; work then resumes."
                .into()
        } else {
            format!(
                "Check the disk and the rights of {}, then restart the service.",
                self.path.display()
            )
        }
    }
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DurableError + 'a {
    move |source| DurableError {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> Result<(), DurableError> {
    disk!("sync folder", dir, at("sync folder", dir));
    sync_path(dir, "sync folder")
}

fn sync_path(path: &Path, action: &'static str) -> Result<(), DurableError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(at(action, path))
}

/// Makes a folder and its parents, private to the service, each entry durable in its parent.
pub fn create_dir(dir: &Path) -> Result<(), DurableError> {
    use std::os::unix::fs::DirBuilderExt as _;
    if dir.is_dir() {
        return Ok(());
    }
    let parent = parent_of(dir);
    create_dir(parent)?;
    step!("make folder");
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(at("create folder", dir)),
    }?;
    reached!("make folder: unsynced");
    sync_dir(parent)
}

/// Replaces or creates `path` with `bytes`: after it returns, a power cut leaves the new content; before, the old one or none.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    replace(path, bytes, true)
}

/// Like [`write_atomic`] without any sync: never torn for other processes, but a power cut may lose or tear it.
/// Only for what can be rebuilt from something synced; make it durable later with [`sync_file`] and [`sync_dir`].
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    replace(path, bytes, false)
}

/// Like [`write_unsynced`], for what other users must be able to read: mode 0644 from the first moment on.
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    use std::os::unix::fs::PermissionsExt as _;
    let temporary = temporary_name(path);
    let written = (|| {
        let mut file = private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&temporary)
            .map_err(at("create", &temporary))?;
        file.write_all(bytes).map_err(at("write", &temporary))?;
        file.set_permissions(fs::Permissions::from_mode(0o644))
            .map_err(at("set the mode of", &temporary))?;
        fs::rename(&temporary, path).map_err(at("rename into", path))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn replace(path: &Path, bytes: &[u8], synced: bool) -> Result<(), DurableError> {
    step!("replace file");
    let temporary = temporary_name(path);
    let written = (|| {
        disk!("write file", &temporary, at("write", &temporary));
        let mut file = private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&temporary)
            .map_err(at("create", &temporary))?;
        file.write_all(bytes).map_err(at("write", &temporary))?;
        if synced {
            disk!("sync new file", &temporary, at("sync", &temporary));
            file.sync_all().map_err(at("sync", &temporary))?;
        }
        step!("rename new file");
        fs::rename(&temporary, path).map_err(at("rename into", path))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    if synced {
        sync_dir(parent_of(path))
    } else {
        Ok(())
    }
}

/// Makes the content of an existing file durable.
pub fn sync_file(path: &Path) -> Result<(), DurableError> {
    disk!("sync file", path, at("sync", path));
    sync_path(path, "sync")
}

/// Makes everything durable that was written to the filesystem of `dir`: one sync for many small files.
pub fn sync_filesystem(dir: &Path) -> Result<(), DurableError> {
    disk!("sync filesystem", dir, at("sync the filesystem of", dir));
    File::open(dir)
        .and_then(|d| rustix::fs::syncfs(&d).map_err(io::Error::from))
        .map_err(at("sync the filesystem of", dir))
}

/// Renames within one folder without syncing it; [`sync_dir`] must follow before anything relies on it.
pub fn rename_unsynced(from: &Path, to: &Path) -> Result<(), DurableError> {
    disk!("rename", to, at("rename into", to));
    fs::rename(from, to).map_err(at("rename into", to))
}

/// Gives a finished file its name, durably; a file of that name that appeared meanwhile is an error, never replaced.
pub fn rename_new(from: &Path, to: &Path) -> Result<(), DurableError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(io::Error::from)
        .map_err(at("create", to))?;
    sync_dir(parent_of(to))
}

/// Removes a file; one that is gone already is fine. The removal itself need not be durable: recovery removes it again.
pub fn remove(path: &Path) -> Result<(), DurableError> {
    disk!("remove", path, at("remove", path));
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(at("remove", path)),
    }
}

/// An append-only file that is being written: a spool file or a write-ahead file. Mode 0600.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
    length: u64,
    writeback_from: u64,
}

impl AppendFile {
    /// Creates the file; an existing one of that name is an error, never overwritten.
    pub fn create(path: &Path) -> Result<Self, DurableError> {
        disk!("create file", path, at("create", path));
        let file = private()
            .create_new(true)
            .read(true)
            .write(true)
            .open(path)
            .map_err(at("create", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            length: 0,
            writeback_from: 0,
        })
    }

    /// Opens or creates the file, to continue after `length` bytes (at most what is there). What lies behind them stays until it
    /// is written over.
    pub fn resume(path: &Path, length: u64) -> Result<Self, DurableError> {
        let mut file = private()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(at("open", path))?;
        let there = file.metadata().map_err(at("stat", path))?.len();
        let length = length.min(there);
        file.seek(SeekFrom::Start(length))
            .map_err(at("seek in", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            length,
            writeback_from: length,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends, and lets the kernel begin to write out what is there, without waiting for it.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        disk!("append", &self.path, at("write", &self.path));
        self.file
            .write_all(bytes)
            .map_err(at("write", &self.path))?;
        self.length += bytes.len() as u64;
        if self.length - self.writeback_from >= WRITEBACK_STEP {
            sys::start_writeback(
                &self.file,
                self.writeback_from,
                self.length - self.writeback_from,
            );
            self.writeback_from = self.length;
        }
        Ok(())
    }

    /// Cuts the file back to `length` and continues from there.
    pub fn truncate(&mut self, length: u64) -> Result<(), DurableError> {
        disk!("cut file", &self.path, at("truncate", &self.path));
        self.file
            .set_len(length)
            .map_err(at("truncate", &self.path))?;
        self.file
            .seek(SeekFrom::Start(length))
            .map_err(at("seek in", &self.path))?;
        self.length = length;
        self.writeback_from = self.writeback_from.min(length);
        Ok(())
    }

    /// Content and length durable; the name in the folder is not yet (see [`sync_dir`]).
    pub fn sync(&self) -> Result<(), DurableError> {
        disk!("sync appended", &self.path, at("sync", &self.path));
        self.file.sync_data().map_err(at("sync", &self.path))
    }

    /// Whether all that was written since the file was opened could be written out. Behind a [`sync_filesystem`] it is
    /// durable, too.
    fn check_written(&self) -> Result<(), DurableError> {
        disk!("ask written", &self.path, at("sync", &self.path));
        sys::wait_written_out(&self.file).map_err(at("sync", &self.path))
    }

    pub fn file(&self) -> &File {
        &self.file
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_and_leaves_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_path_and_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomic(&dir.path().join("no/such"), b"x").unwrap_err();
        assert!(error.to_string().contains("no/.such.tmp"), "{error}");
        assert_eq!(error.label(), "disk_error");
    }

    #[test]
    fn resuming_keeps_a_torn_tail_until_it_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let mut file = AppendFile::create(&path).unwrap();
        file.append(b"frame1frame2to").unwrap();
        file.sync().unwrap();
        drop(file);
        assert!(AppendFile::create(&path).is_err());
        let mut file = AppendFile::resume(&path, 12).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"frame1frame2to");
        assert_eq!(file.len(), 12);
        file.append(b"frame3").unwrap();
        assert_eq!(file.len(), 18);
        assert_eq!(fs::read(&path).unwrap(), b"frame1frame2frame3");
    }
}
