#![allow(unsafe_code)]

use std::fs::File;
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
