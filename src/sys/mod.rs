//! The only room with `unsafe`: thin, checked calls into the kernel. No decisions here.

mod block;
mod clock;
mod dumps;
mod memory;
mod mount;
mod writeback;

pub use block::{is_write_protected, write_protect};
pub use clock::clock_state;
pub use dumps::forbid_core_dumps;
pub use memory::bound_heap;
pub use mount::{mount_read_only, unmount_lazily};
pub use writeback::start_writeback;
