//! To the store: the store trait, S3, multipart with resume, pacing.
//!
//! Says stored only when the store names the checksum that we computed. Never deletes an object: the one thing it
//! takes back is an unfinished multipart upload of its own. Steps try once; the one retry loop (`ingest`) asks
//! [`Explain::retry_class`](crate::model::Explain) and [`Backoff`] when to come back.

mod backoff;
mod config;
mod error;
mod ledger;
mod memory;
mod object;
mod pacer;
mod plan;
mod s3;
mod settle;
mod small;
mod store;

pub use backoff::Backoff;
pub use config::{LockMode, RetentionPolicy, Secret, StoreConfig};
pub use error::{BoxError, UploadError};
pub use ledger::{DonePart, Ledger, MemoryLedger, Multipart, Resume};
pub use memory::{Lease, PartMemory};
pub use object::{PartSource, Upload};
pub use pacer::{Clock, PaceError, PaceRule, Pacer, SystemClock};
pub use plan::{MAX_OBJECT, MAX_PARTS, PartPlan, plan_parts};
pub use s3::S3Store;
pub use small::put_small_once;
pub use store::{
    Body, BucketFacts, Completed, Head, Known, ListPage, Listed, ListedPart, PartTag, Put, Store,
    StoreFuture, StoredObject, list_all,
};
