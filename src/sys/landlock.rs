#![allow(unsafe_code)]

use std::io;

/// Rights of each Landlock version on files: 13 bits, then refer, truncate, ioctl.
const FILES: [u64; 5] = [0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff];
/// From version 4 on: binding and connecting TCP.
const TCP: u64 = 3;
const VERSION: u32 = 1;

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
}

/// Takes every right on files, and TCP, from this thread and those it starts; nothing is granted back.
/// An error means that this kernel has no Landlock.
pub(super) fn forbid_files() -> io::Result<()> {
    let call = |number, a: usize, b: usize, c: u32| {
        // SAFETY: the two calls used here read at most `b` bytes at `a`, which is null or a live `Ruleset`.
        let done = unsafe { libc::syscall(number, a, b, c) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(done)
    };
    let version = call(libc::SYS_landlock_create_ruleset, 0, 0, VERSION)?;
    let version = usize::try_from(version).unwrap_or(0).clamp(1, FILES.len());
    let rules = Ruleset {
        files: FILES[version - 1],
        network: if version >= 4 { TCP } else { 0 },
    };
    let size = if version >= 4 { 16 } else { 8 };
    let set = call(
        libc::SYS_landlock_create_ruleset,
        (&raw const rules).addr(),
        size,
        0,
    )?;
    let restricted = call(
        libc::SYS_landlock_restrict_self,
        usize::try_from(set).unwrap_or(usize::MAX),
        0,
        0,
    );
    if let Ok(set) = libc::c_int::try_from(set) {
        // SAFETY: the descriptor was made above and is used nowhere else.
        unsafe { libc::close(set) };
    }
    restricted.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_from_the_thread_that_asks_and_from_no_other() {
        let opened = std::thread::spawn(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            forbid_files().map(|()| std::fs::File::open("/etc/passwd"))
        });
        match opened.join().unwrap() {
            Ok(opened) => {
                let refused = opened.unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            }
            Err(error) => eprintln!("this kernel has no Landlock: {error}"),
        }
        assert!(std::fs::File::open("/etc/passwd").is_ok());
    }
}
