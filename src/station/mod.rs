//! The service: start order, supervision of tasks, drain on SIGTERM, systemd notification, status socket.

mod claims;
mod commands;
mod docking;
mod drained;
mod indexer;
mod lock;
mod loglimit;
mod observed;
mod opening;
mod pages;
pub mod parts;
mod persist;
mod publisher;
mod refusals;
mod report;
mod restore;
mod service;
mod status;
mod unlocking;

pub use commands::{Answer, Order, Request};
pub use loglimit::installed as log_limit;
pub use service::{Ended, Options, run};
