#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsPickFlags, MountFlags, OpenTreeFlags, UnmountFlags, fsconfig_reconfigure, fsconfig_set_flag,
    fspick, mount, open_tree, unmount,
};

/// `MOUNT_ATTR_RDONLY` of linux/mount.h.
const RDONLY: u64 = 1;

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Mounts a block device read-only, without programs, devices or set-user-id on it. Needs root.
pub fn mount_read_only(device: &Path, target: &Path, kind: &str, options: &str) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = CString::new(options)?;
    Ok(mount(device, target, kind, flags, options.as_c_str())?)
}

/// Detaches a mount from the tree at once; open files keep it until they are closed. `false`: nothing was mounted.
pub fn unmount_lazily(target: &Path) -> io::Result<bool> {
    match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Another mount of the file system at `target`, without its read-only flag. It is detached: only this descriptor leads to
/// it, and closing that ends it. Nothing can be written through it unless [`set_writable`] allows it.
pub fn writable_view(target: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_NO_AUTOMOUNT;
    let view = open_tree(CWD, target, flags)?;
    let attr = MountAttr {
        set: 0,
        clear: RDONLY,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the descriptor is open for the whole call, the path is an empty string that ends with a zero, and the
    // kernel reads as many bytes behind the pointer as the last argument says and keeps nothing.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            view.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if done == 0 {
        Ok(view)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes the file system mounted at `target` writable or read-only as a whole; a mount that is read-only itself stays so.
pub fn set_writable(target: &Path, writable: bool) -> io::Result<()> {
    let flags = FsPickFlags::FSPICK_CLOEXEC
        | FsPickFlags::FSPICK_SYMLINK_NOFOLLOW
        | FsPickFlags::FSPICK_NO_AUTOMOUNT;
    let picked = fspick(CWD, target, flags)?;
    fsconfig_set_flag(&picked, if writable { "rw" } else { "ro" })?;
    Ok(fsconfig_reconfigure(&picked)?)
}
