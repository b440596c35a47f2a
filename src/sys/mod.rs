//! The only room with `unsafe`: thin, checked calls into the kernel. No decisions here.

mod writeback;

pub use writeback::start_writeback;
