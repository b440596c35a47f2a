//! Opens files and folders below a camera's top folder and nothing else: no symbolic links, no other mounts, no `..`.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;

/// openat2(2) must be repeated when something was renamed meanwhile.
const TRIES: usize = 16;

pub(super) struct RootDir {
    root: OwnedFd,
    /// Without openat2(2), paths are opened name by name.
    by_name: bool,
    /// Only a file's owner may read it without changing its access time.
    no_atime: AtomicBool,
}

impl RootDir {
    /// The last name of `root` must be a folder, not a link to one.
    pub fn new(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::of(rustix::fs::openat(
            CWD,
            root,
            flags,
            Mode::empty(),
        )?))
    }

    /// Wraps an open folder; it may be open as a path only.
    pub fn of(root: OwnedFd) -> Self {
        let probe = rustix::fs::openat2(
            &root,
            c".",
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            resolve(),
        );
        Self {
            root,
            // An old kernel answers NOSYS, an old sandbox PERM.
            by_name: matches!(probe, Err(Errno::NOSYS | Errno::PERM)),
            no_atime: AtomicBool::new(true),
        }
    }

    #[cfg(test)]
    pub fn going_by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// A folder directly in `parent`.
    pub fn open_dir(&self, parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        self.without_atime(|noatime| self.open_at(parent, name.to_bytes(), flags | noatime))
    }

    /// Facts of the file at `path`, without opening it for reading: safe for FIFOs and devices.
    pub fn stat_path(&self, path: &[u8]) -> io::Result<Statx> {
        stat(
            self.open_at(self.fd(), path, OFlags::PATH | OFlags::NOFOLLOW)?
                .as_fd(),
        )
    }

    /// The folder at `path`, which may lie deeper; the top folder for an empty one.
    pub fn open_folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        if path.is_empty() {
            let flags = flags | OFlags::CLOEXEC;
            return Ok(rustix::fs::openat(self.fd(), c".", flags, Mode::empty())?);
        }
        self.open_at(self.fd(), path, flags)
    }

    pub fn open_file(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.without_atime(|noatime| self.open_at(self.fd(), path, flags | noatime))
    }

    fn without_atime(&self, open: impl Fn(OFlags) -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
        if self.no_atime.load(Ordering::Relaxed) {
            match open(OFlags::NOATIME) {
                Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                    let opened = open(OFlags::empty())?;
                    self.no_atime.store(false, Ordering::Relaxed);
                    return Ok(opened);
                }
                opened => return opened,
            }
        }
        open(OFlags::empty())
    }

    fn open_at(&self, dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        if self.by_name {
            return open_by_name(dir, path, flags);
        }
        for _ in 0..TRIES {
            match rustix::fs::openat2(dir, path, flags, Mode::empty(), resolve()) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return Ok(opened?),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

fn resolve() -> ResolveFlags {
    ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV
}

fn open_by_name(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut names = path.split(|&b| b == b'/').peekable();
    let mut held: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        if name.is_empty() || name == b"." || name == b".." {
            return Err(Errno::XDEV.into());
        }
        let here = held.as_ref().map_or(dir, AsFd::as_fd);
        let last = names.peek().is_none();
        let wanted = if last {
            flags | OFlags::NOFOLLOW
        } else {
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
        };
        let opened = rustix::fs::openat(here, name, wanted, Mode::empty())?;
        if is_mount_root(&stat(opened.as_fd())?) {
            return Err(Errno::XDEV.into());
        }
        held = Some(opened);
    }
    held.ok_or_else(|| Errno::NOENT.into())
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID
}

/// Facts of an open descriptor.
pub(super) fn stat(file: BorrowedFd<'_>) -> io::Result<Statx> {
    Ok(rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, wanted())?)
}

/// Facts of one name in a folder; a link is not followed.
pub(super) fn stat_at(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    Ok(rustix::fs::statx(dir, name, flags, wanted())?)
}

/// Facts of a path of our own; a link as its last name is not followed.
pub(super) fn stat_path(path: &Path) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    Ok(rustix::fs::statx(CWD, path, flags, wanted())?)
}

pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

pub(super) fn is_mount_root(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Names one file on this machine while it exists: device and inode.
pub(super) fn file_id(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}
