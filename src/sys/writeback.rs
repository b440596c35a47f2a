#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Asks the kernel to begin writing out a range of a file. It is only a hint: a later sync finds errors.
pub fn start_writeback(file: &File, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return;
    };
    // SAFETY: the descriptor is open for the whole call, which takes plain integers and keeps nothing.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset,
            length,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

/// Waits until all of a file is written out, and returns the first error of doing so since the file was opened, as `fsync`
/// does. It flushes neither the filesystem's journal nor the disk's cache.
pub fn wait_written_out(file: &File) -> io::Result<()> {
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: as in `start_writeback`; a length of 0 stands for the rest of the file.
    let done = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
