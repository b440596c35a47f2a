//! The only room with `unsafe`: thin, checked calls into the kernel and ffmpeg. It makes no decisions.

mod account;
mod block;
mod clock;
mod core_dumps;
mod ffmpeg;
mod memory;
mod mount;
mod process;
mod sandbox;
mod writeback;

pub use account::account;
pub use block::{allow_writes, is_write_protected, write_protect};
pub use clock::clock_state;
pub use core_dumps::forbid_core_dumps;
pub use ffmpeg::{discard, ffmpeg_version, key_frames, pixel_aspect, rewind, tags};
pub use memory::{bound_heap, forget_code};
pub use mount::{mount_read_only, set_writable, unmount_lazily, writable_view};
pub use process::{background_priority, inherited, usage, with_descriptors};
pub use sandbox::{Confinement, SandboxError, confine};
pub use writeback::{start_writeback, wait_written_out};
