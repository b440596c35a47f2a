//! The only room with `unsafe`: thin, checked calls into the kernel and ffmpeg. No decisions here.

mod block;
mod clock;
mod dumps;
mod media;
mod memory;
mod mount;
mod sandbox;
mod spawn;
mod writeback;

pub use block::{allow_writes, is_write_protected, write_protect};
pub use clock::clock_state;
pub use dumps::forbid_core_dumps;
pub use media::{discard, ffmpeg_version, key_frames, tags};
pub use memory::{bound_heap, forget_code};
pub use mount::{mount_read_only, set_writable, unmount_lazily, writable_view};
pub use sandbox::{Confinement, SandboxError, confine};
pub use spawn::{background_priority, inherited, usage, with_descriptors};
pub use writeback::start_writeback;
