use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Mounts a block device read-only, without programs, devices or set-user-id on it. Needs root.
pub fn mount_read_only(device: &Path, target: &Path, kind: &str, options: &str) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = CString::new(options)?;
    Ok(mount(device, target, kind, flags, options.as_c_str())?)
}

/// Takes a mount out of the tree at once; what is still open on it keeps it until closed. `false`: nothing was mounted.
pub fn unmount_lazily(target: &Path) -> io::Result<bool> {
    match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
