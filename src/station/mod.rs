//! The service: start order, supervision of tasks, drain on SIGTERM, systemd notification, status socket.

mod docking;
mod lock;
mod observed;
pub mod parts;
mod publisher;
mod report;
mod service;
mod status;

pub use service::{Ended, Options, run};
