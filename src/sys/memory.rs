#![allow(unsafe_code)]

/// Keeps memory that was used for a moment from staying with the process: few arenas, and large buffers of their own
/// that go back to the system when they are dropped. glibc only; elsewhere it does nothing.
pub fn bound_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called with constants that mallopt documents; it only changes the allocator's settings.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}
