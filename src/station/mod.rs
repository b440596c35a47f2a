//! The service: start order, supervision of tasks, drain on SIGTERM, systemd notification, status socket.

mod docking;
mod lock;
mod opening;
pub mod parts;
mod publisher;
mod refusals;
mod report;
mod service;
mod status;

pub use service::{Ended, Options, run};
pub use status::StatusView;
