//! Puts sealed objects into the store: the store trait, S3, multipart uploads with resume, pacing.
//!
//! An object counts as stored only when the store names a checksum that we computed, and the lock that was asked for. Nothing is
//! ever deleted but our own probes, unless the disposer asks for it, and no object gets a second version; an unfinished multipart upload of our own is aborted.
//! Each step tries once; the one retry loop (in `ingest`) asks [`Explain::retry_class`](crate::model::Explain) and [`Backoff`]
//! when to try again.

mod backoff;
mod conduct;
mod config;
mod error;
mod expected;
mod first_lock;
mod ledger;
mod md5;
mod multipart;
mod object;
mod pacer;
mod part_memory;
mod part_source;
mod plan;
mod probe;
mod s3;
mod sending;
mod single_put;
mod store;

pub use backoff::Backoff;
pub use conduct::StoreConduct;
pub use config::{LockMode, RetentionPolicy, Secret, StoreConfig};
pub use error::{BoxError, UploadError};
pub use first_lock::FirstLock;
pub use ledger::{Ledger, Multipart, Resume};
pub use md5::Md5Digest;
pub use object::Upload;
pub use pacer::{Clock, PaceError, PaceRule, Pacer, SystemClock};
pub use part_memory::{Lease, PartMemory};
pub use part_source::PartSource;
pub use plan::{MAX_OBJECT, MAX_PARTS, PartPlan, plan_parts};
pub use probe::{ProbeAnswer, Trial, try_store};
pub use s3::{S3Store, trusted_alone};
pub use single_put::{put_locked, put_small_once};
pub use store::{
    Body, BucketAnswer, BucketFacts, Completed, DonePart, Head, ListPage, ListedObject, ListedPart,
    ListedVersion, Put, Store, StoreFuture, StoredObject, each_page, list_all,
};
