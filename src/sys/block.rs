#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// `_IO(0x12, 93)` and `_IO(0x12, 94)` of linux/fs.h.
const BLKROSET: libc::Ioctl = 0x125d;
const BLKROGET: libc::Ioctl = 0x125e;

/// Forbids the kernel to write to a block device, and confirms that it will not. Needs root.
pub fn write_protect(device: &File) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for the whole call; the kernel reads one int behind the pointer and keeps nothing.
    if unsafe { libc::ioctl(device.as_raw_fd(), BLKROSET, &raw const on) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if is_write_protected(device)? {
        Ok(())
    } else {
        Err(io::Error::other("the kernel left the device writable"))
    }
}

/// Clears the kernel's flag. A device that protects itself stays write-protected. Needs root.
pub fn allow_writes(device: &File) -> io::Result<()> {
    let off: libc::c_int = 0;
    // SAFETY: the descriptor is open for the whole call; the kernel reads one int behind the pointer and keeps nothing.
    if unsafe { libc::ioctl(device.as_raw_fd(), BLKROSET, &raw const off) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if is_write_protected(device)? {
        Err(io::Error::other("the device is write-protected by itself"))
    } else {
        Ok(())
    }
}

pub fn is_write_protected(device: &File) -> io::Result<bool> {
    let mut state: libc::c_int = 0;
    // SAFETY: the descriptor is open for the whole call; the kernel writes one int behind the pointer, which is ours alone.
    if unsafe { libc::ioctl(device.as_raw_fd(), BLKROGET, &raw mut state) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_block_device_is_an_error_and_never_called_protected() {
        let file = tempfile::tempfile().unwrap();
        assert!(write_protect(&file).is_err());
        assert!(allow_writes(&file).is_err());
        assert!(is_write_protected(&file).is_err());
    }
}
