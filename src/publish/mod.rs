//! A signed log's copy in the bucket: published as it grows, anchored where its writer cannot take it back, compared with the
//! log here, and fetched when that is lost.
//!
//! Stations and offices publish their logs through it alike (promise 6). It knows nothing of what the entries say.

mod bucket_log;
mod error;
mod log_copy;
mod publisher;

pub use bucket_log::BucketLog;
pub use error::PublishError;
pub use log_copy::{ANCHORS, LogCopy, PublishedMark, fetch_log};
pub use publisher::Publisher;
