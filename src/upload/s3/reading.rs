//! Calls that only read, and what they reveal about calls that were refused.

use aws_sdk_s3::types::ObjectLockEnabled;
use bytes::{Bytes, BytesMut};

use super::S3Store;
use super::calls::bad_answer;
use super::convert::length;
use super::failure::CallFailure;
use crate::model::Retention;
use crate::upload::UploadError;

impl S3Store {
    pub(super) async fn object_lock(&self) -> Result<bool, UploadError> {
        let request = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.bucket);
        let action = "read the Object Lock configuration";
        match self.call(action, 0, request.send()).await {
            Ok(answer) => Ok(answer
                .object_lock_configuration
                .and_then(|lock| lock.object_lock_enabled)
                .is_some_and(|enabled| enabled == ObjectLockEnabled::Enabled)),
            Err(failure) => match failure.error {
                UploadError::NoObjectLock { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// A store answers only "invalid request" to a retention that its bucket cannot have, so this asks the bucket.
    pub(super) async fn refused_lock(
        &self,
        failure: CallFailure,
        retention: Option<&Retention>,
    ) -> UploadError {
        let suspicious = retention.is_some() && failure.status == 400;
        if suspicious && matches!(self.object_lock().await, Ok(false)) {
            return UploadError::NoObjectLock {
                bucket: self.bucket.clone(),
            };
        }
        failure.error
    }

    /// GetObject into memory, at most `limit` bytes.
    pub(super) async fn read(
        &self,
        key: &str,
        version_id: Option<&str>,
        range: Option<String>,
        limit: u64,
    ) -> Result<Bytes, CallFailure> {
        let action = "get object";
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .set_range(range);
        let answer = self.call(action, 0, request.send()).await?;
        let oversized = || {
            CallFailure::local(UploadError::Oversized {
                key: key.to_owned(),
                limit,
            })
        };
        if length(answer.content_length) > limit {
            return Err(oversized());
        }
        let announced = answer.content_length;
        let mut stream = answer.body;
        let body = async {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|source| {
                    CallFailure::local(UploadError::Unreachable {
                        action,
                        source: source.into(),
                    })
                })?;
                if (bytes.len() + chunk.len()) as u64 > limit {
                    return Err(oversized());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes.freeze())
        };
        let time = self.limit(limit);
        let bytes = tokio::time::timeout(time, body)
            .await
            .map_err(|_| CallFailure::timeout(action, time))??;
        if announced.is_some_and(|announced| length(Some(announced)) != bytes.len() as u64) {
            return Err(CallFailure::local(bad_answer(
                action,
                "its body is cut short",
            )));
        }
        Ok(bytes)
    }
}
