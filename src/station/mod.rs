//! The service: opens its parts in order, runs them until a signal or until drained, and closes them in reverse.
//!
//! Every task and thread has one owner here that joins it. The station never continues when its log contradicts the bucket's
//! copy, and never stops before every camera's session is logged as ended (promises 2, 6 and 9).

mod commands;
mod dock_tags;
mod docking;
mod drain;
mod foundation;
mod imports;
mod interfaces;
mod log_restore;
mod loglimit;
mod main_loop;
mod office_acts;
mod page_backend;
pub mod parts;
mod reload;
mod service;
mod state_lock;
mod status;
mod store_trial;
mod workers;

pub use commands::{CommandReply, OperatorCommand, Order};
pub use imports::{
    ImportOrder, ImportRefusal, ImportReply, ImportReport, ImportRequest, ImportStarted,
};
pub use loglimit::installed as log_limit;
pub use service::{Ended, Options, run};

/// Waits for a task. One that panicked is reported, and the stop continues.
async fn joined(task: &'static str, handle: tokio::task::JoinHandle<()>) {
    if let Err(error) = handle.await {
        tracing::error!(
            code = "part_crashed",
            task,
            error = &error as &dyn std::error::Error,
            next_step = "report this with the log lines before it",
            "a task of the station panicked"
        );
    }
}
