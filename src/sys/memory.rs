#![allow(unsafe_code)]

/// Returns large buffers to the system as soon as they are dropped, and keeps the number of arenas small. It has an effect
/// with glibc only.
pub fn bound_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called with constants that mallopt documents; it only changes the allocator's settings.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Drops the pages of code that this process has touched, most of them in libraries that only its workers need. Code that is
/// called again comes back from the page cache. Returns the bytes of code; 0 when the kernel does not say.
pub fn forget_code() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut forgotten = 0;
    for (start, length) in maps.lines().filter_map(code) {
        // SAFETY: the kernel named this range as code of a file, private and not writable: it has no content of its own
        // that could be lost, and a page that is missing is read from the file again, as it was the first time.
        let done = unsafe {
            rustix::mm::madvise(
                std::ptr::with_exposed_provenance_mut(start),
                length,
                rustix::mm::Advice::LinuxDontNeed,
            )
        };
        forgotten += done.map_or(0, |()| length as u64);
    }
    forgotten
}

/// Start and length, in bytes, of a line of the kernel's list that is code of a file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    if words.next()? != "r-xp" || !words.nth(3)?.starts_with('/') {
        return None;
    }
    let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).ok());
    Some((start?, end?.checked_sub(start?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_dropped() {
        let code_of = |rest: &str| code(&format!("1000-3000 {rest}"));
        assert_eq!(
            code_of("r-xp 00000000 fe:00 42    /usr/lib/x.so"),
            Some((0x1000, 0x2000))
        );
        for other in [
            "rwxp 00000000 fe:00 42    /usr/lib/x.so",
            "rw-p 00000000 fe:00 42    /usr/lib/x.so",
            "r-xs 00000000 fe:00 42    /usr/lib/x.so",
            "r-xp 00000000 00:00 0     [vdso]",
            "r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code_of(other), None, "{other}");
        }
        assert_eq!(code(""), None);
    }

    #[test]
    fn a_program_goes_on_after_its_code_was_dropped() {
        let before = rss();
        assert!(forget_code() > 1 << 20);
        assert!(rss() < before, "{} of {before}", rss());
        assert_eq!(format!("{:?}", [1.5, 2.5]), "[1.5, 2.5]");
    }

    /// Pages of files that this process holds.
    fn rss() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(2).unwrap().parse().unwrap()
    }
}
