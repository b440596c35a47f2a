#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The first descriptor that [`with_descriptors`] gives away.
const FIRST: RawFd = 3;

/// Gives the command's process `files` as its descriptors 3, 4, …, and lets it die with the thread that starts it.
pub fn with_descriptors(command: &mut Command, files: Vec<OwnedFd>) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        // First to high numbers, so that none is overwritten below.
        let mut high = [-1; 8];
        let count = files.len().min(high.len());
        for (slot, file) in high.iter_mut().zip(&files) {
            // SAFETY: plain integers; the descriptor is open, the closure owns it.
            *slot = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 64) };
            if *slot < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        for (number, high) in (FIRST..).zip(&high[..count]) {
            // SAFETY: plain integers; what stands at `number` is marked to be closed at exec and not used any more.
            if unsafe { libc::dup2(*high, number) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: plain integers.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have died before the call above.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls: no allocation, no lock.
    unsafe { command.pre_exec(prepare) };
}

/// Gives this process the lowest priority for processor and disk.
pub fn background_priority() {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IDLE: libc::c_int = 3 << 13;
    let _ = rustix::process::setpriority_process(None, 19);
    // SAFETY: plain integers; without effect on schedulers that know no priorities.
    unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IDLE) };
}

/// A descriptor that this process was started with. It must be taken once at most, at the start.
pub fn inherited(number: RawFd) -> io::Result<File> {
    // SAFETY: plain integers.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and was made for this process by its parent; nothing else here owns it.
    Ok(unsafe { File::from_raw_fd(number) })
}

/// The processor time of this process in milliseconds, and its largest resident size in bytes.
pub fn usage() -> (u64, u64) {
    // SAFETY: `rusage` is plain integers, for which zero bytes are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed `rusage` that the call fills and does not keep.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
        return (0, 0);
    }
    let ms = |time: libc::timeval| {
        time.tv_sec.unsigned_abs() * 1000 + time.tv_usec.unsigned_abs() / 1000
    };
    let resident = usage.ru_maxrss.unsigned_abs() * 1024;
    (ms(usage.ru_utime) + ms(usage.ru_stime), resident)
}
