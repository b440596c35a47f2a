//! The only room with `unsafe`: thin, checked calls into the kernel. No decisions here.

mod clock;
mod dumps;
mod memory;
mod writeback;

pub use clock::clock_state;
pub use dumps::forbid_core_dumps;
pub use memory::bound_heap;
pub use writeback::start_writeback;
