//! Deletes one file of a mounted medium. The file stays open from its check to its deletion, so that the checked file is the
//! one deleted.
//!
//! The check needs no write access. Trusts neither paths, nor what a proof says about the medium, nor earlier checks.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, AtFlags};
use sha2::{Digest as _, Sha256};

use super::folder::FolderFile;
use super::root_dir::{self, RootDir};
use super::{CameraError, CameraFile as _};
use crate::model::{Explain as _, Left, Proven, Sha256Digest, SourcePath};

/// The top folder of a mounted medium.
pub struct Medium(Arc<RootDir>);

/// An open file that agrees with its proof.
pub struct CheckedFile {
    file: FolderFile,
    path: SourcePath,
}

impl Medium {
    /// The medium mounted at `root`, of the block device `major:minor`. Fails when something else is there.
    pub fn mounted(root: &Path, device: &str) -> io::Result<Self> {
        let medium = RootDir::new(root)?;
        let stat = root_dir::stat(medium.fd())?;
        let found = format!("{}:{}", stat.stx_dev_major, stat.stx_dev_minor);
        if !root_dir::is_mount_root(&stat) || found != device {
            return Err(io::Error::other(format!(
                "the medium {device} is not mounted there"
            )));
        }
        Ok(Self(Arc::new(medium)))
    }

    /// A medium by its open top folder, for a second view of it.
    pub fn of(root: OwnedFd) -> Self {
        Self(Arc::new(RootDir::of(root)))
    }

    /// Its top folder, for locks and for syncing.
    pub fn root(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.fd()
    }

    /// Opens the file at `path` and compares it with its proof: size, time, and with `rehash` every byte.
    pub fn hold(
        &self,
        path: &SourcePath,
        proven: &Proven,
        rehash: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<CheckedFile, Left> {
        let mut file = FolderFile::open(Arc::clone(&self.0), path).map_err(|e| left(&e))?;
        same_facts(proven, file.facts(), rehash)?;
        if rehash {
            // Drops the kernel's cache, so that the medium itself is read.
            let _ = rustix::fs::fadvise(file.descriptor(), 0, None, Advice::DontNeed);
            same_bytes(proven, &mut file, path, stop)?;
        }
        match file.recheck().map_err(|e| left(&e))? {
            None => Ok(CheckedFile {
                file,
                path: path.clone(),
            }),
            Some(change) => Err(Left::new("file_changed", change.to_string())),
        }
    }

    /// Deletes a held file through this view of the same medium. The file at the path must still be the held one.
    pub fn erase(&self, mut held: CheckedFile) -> Result<(), Left> {
        let changed = |what: String| Left::new("file_changed", what);
        if let Some(change) = held.file.recheck().map_err(|e| left(&e))? {
            return Err(changed(change.to_string()));
        }
        let failed = |error: io::Error| Left::new("delete_failed", error.to_string());
        let path = held.path.as_bytes();
        let name = held.path.file_name();
        let folder = path.len().saturating_sub(name.len() + 1);
        let parent = self.0.open_folder(&path[..folder]).map_err(failed)?;
        let name = CString::new(name).map_err(|_| changed("its name holds a zero".into()))?;
        let there = root_dir::stat_at(parent.as_fd(), &name).map_err(failed)?;
        let opened = held.file.opened();
        if root_dir::file_id(&there) != root_dir::file_id(opened)
            || there.stx_size != opened.stx_size
            || !root_dir::file_type(&there).is_file()
        {
            return Err(changed("another file lies at its path".into()));
        }
        rustix::fs::unlinkat(&parent, &name, AtFlags::empty()).map_err(|e| failed(e.into()))?;
        match root_dir::stat_at(parent.as_fd(), &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(Left::new("delete_failed", "something is still at its path")),
        }
    }
}

/// Compares size and time; without `rehash` nothing else is compared.
pub fn same_facts(proven: &Proven, now: super::OpenFacts, rehash: bool) -> Result<(), Left> {
    if now.size != proven.size {
        return Err(Left::new(
            "file_changed",
            format!("it has {} bytes, {} were stored", now.size, proven.size),
        ));
    }
    if proven.modified.is_some() && now.modified != proven.modified {
        return Err(Left::new(
            "file_changed",
            "it has another time than what was stored",
        ));
    }
    if proven.modified.is_none() && !rehash {
        return Err(Left::new(
            "no_time",
            "it has no time by which it could be recognised; `wipe_rehash` is needed",
        ));
    }
    Ok(())
}

/// Reads all of a file and compares its digest.
pub fn same_bytes(
    proven: &Proven,
    file: &mut dyn super::CameraFile,
    path: &SourcePath,
    stop: &dyn Fn() -> bool,
) -> Result<(), Left> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        if stop() {
            return Err(Left::new("stopped", "the work was stopped before"));
        }
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(left(&CameraError::reading(path, error))),
        };
        if count == 0 {
            break;
        }
        bytes += count as u64;
        if bytes > proven.size {
            break;
        }
        hash.update(&buffer[..count]);
    }
    if bytes == proven.size && Sha256Digest(hash.finalize().into()) == proven.sha256 {
        Ok(())
    } else {
        Err(Left::new(
            "file_changed",
            "its SHA-256 is not that of what was stored",
        ))
    }
}

/// Writes all changes to the medium.
pub fn sync(medium: &Medium) -> io::Result<()> {
    let root = File::from(medium.0.open_folder(b"")?);
    Ok(rustix::fs::syncfs(&root)?)
}

pub(super) fn left(error: &CameraError) -> Left {
    let mut reason = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        reason = format!("{reason}: {source}");
    }
    Left::new(error.label(), reason)
}

#[cfg(test)]
mod tests;
