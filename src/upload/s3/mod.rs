//! The store trait over aws-sdk-s3. Each call tries once: the SDK's retries, clock correction and stall detection are off;
//! time limits and classes of errors are ours.

mod calls;
mod client;
mod convert;
mod deletion;
mod failure;
mod legal_hold;
mod locking;
mod reading;
mod server_clock;
mod versions;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::{StoreConduct, StoreConfig, UploadError};
pub use client::trusted_alone;

use failure::CallFailure;
use server_clock::ServerClock;

/// A bucket of an S3 store. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    clock: Arc<ServerClock>,
    conduct: Arc<StoreConduct>,
    attempt: Duration,
    slowest_rate: u64,
}

impl S3Store {
    /// Reads `ca_file` and prepares connections; nothing is sent yet.
    pub fn new(config: &StoreConfig) -> Result<Self, UploadError> {
        let clock = Arc::new(ServerClock::default());
        Ok(Self {
            client: client::build(config, Arc::clone(&clock))?,
            bucket: config.bucket.clone(),
            clock,
            conduct: Arc::default(),
            attempt: config.attempt_timeout,
            slowest_rate: config.slowest_rate.max(1),
        })
    }

    /// Seconds that the store's clock was ahead of ours at its last answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.clock.ahead()
    }

    /// Creates the bucket with Object Lock; one that is there already is fine. Only for the demo: a station's own
    /// credentials need no such right. [`s3:CreateBucket`]
    pub async fn create_bucket(&self) -> Result<(), UploadError> {
        let made = self
            .client
            .create_bucket()
            .bucket(&self.bucket)
            .object_lock_enabled_for_bucket(true)
            .send()
            .await;
        match made.map_err(aws_sdk_s3::error::SdkError::into_service_error) {
            Err(error) if !error.is_bucket_already_owned_by_you() => {
                Err(UploadError::Unreachable {
                    action: "create bucket",
                    source: Box::new(error),
                })
            }
            _ => Ok(()),
        }
    }

    /// One call within its time limit. `bytes`: how many go over the wire.
    async fn call<T, E>(
        &self,
        action: &'static str,
        bytes: u64,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, CallFailure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let limit = self.limit(bytes);
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer
                .map_err(|error| CallFailure::new(action, &self.bucket, self.clock.ahead(), error)),
            Err(_) => Err(CallFailure::timeout(action, limit)),
        }
    }

    fn limit(&self, bytes: u64) -> Duration {
        self.attempt + Duration::from_secs(bytes / self.slowest_rate)
    }
}
