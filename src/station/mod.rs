//! The service: start order, supervision of tasks, drain on SIGTERM, systemd notification, status socket.

mod lock;
pub mod parts;
mod report;
mod status;

pub use status::StatusView;
