//! Locks of versions, and facts about objects that must not get a second version.

use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use jiff::Timestamp;

use super::S3Store;
use super::convert::{length, lock_until};
use crate::model::{BucketLayout, Retention};
use crate::upload::UploadError;
use crate::upload::md5::bare_etag;
use crate::upload::store::{Body, Head, Store as _};

impl S3Store {
    /// Puts the same bytes once more where they were just put without a lock: a file of the log that is replaced all the time.
    pub(super) async fn try_second(&self, key: &str, body: Body) {
        match self.put_once(key, body, None).await {
            Ok(second) => self.conduct.saw_second(second.is_none()),
            Err(error) => {
                tracing::debug!(key, %error, "it is not known yet whether the store refuses a second version");
            }
        }
    }

    pub(super) async fn lock_of(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Retention>, UploadError> {
        if self.conduct.answers_retention() == Some(false) {
            return self.lock_in_head(key, version_id).await;
        }
        let request = self
            .client
            .get_object_retention()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned));
        match self
            .call("read an object's retention", 0, request.send())
            .await
        {
            Ok(answer) => Ok(answer.retention.and_then(|lock| {
                Some(Retention {
                    mode: lock.mode?.as_str().to_owned(),
                    until: Timestamp::from_second(lock.retain_until_date?.secs()).ok()?,
                })
            })),
            // The object is not locked, is not there, or its bucket knows no locks.
            Err(failure)
                if failure.status == 404
                    || matches!(
                        failure.code.as_str(),
                        "NoSuchObjectLockConfiguration"
                            | "ObjectLockConfigurationNotFoundError"
                            | "InvalidRequest"
                    ) =>
            {
                Ok(None)
            }
            Err(failure) if not_understood(&failure.error) => {
                match self.lock_in_head(key, version_id).await {
                    Ok(lock) => {
                        self.conduct.saw_retention(false);
                        Ok(lock)
                    }
                    Err(UploadError::Forbidden { .. }) => Err(failure.into()),
                    Err(error) => Err(error),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The lock that the store names together with an object's size.
    async fn lock_in_head(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Retention>, UploadError> {
        let request = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned));
        match self.call("head object", 0, request.send()).await {
            Ok(answer) => Ok(answer
                .object_lock_mode
                .zip(answer.object_lock_retain_until_date)
                .and_then(|(mode, until)| {
                    Some(Retention {
                        mode: mode.as_str().to_owned(),
                        until: Timestamp::from_second(until.secs()).ok()?,
                    })
                })),
            Err(failure) if failure.status == 404 => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn lock(
        &self,
        key: &str,
        version_id: Option<&str>,
        retention: &Retention,
    ) -> Result<(), UploadError> {
        let lock = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::from(retention.mode.as_str()))
            .set_retain_until_date(lock_until(Some(retention)))
            .build();
        let request = self
            .client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .retention(lock);
        self.call("lock an object", 0, request.send()).await?;
        Ok(())
    }

    /// Deletes one version below `probe/`, and can delete nothing else. [`s3:DeleteObjectVersion`]
    pub(in crate::upload) async fn delete_probe(
        &self,
        layout: &BucketLayout,
        object: &str,
        version_id: &str,
    ) -> Result<(), UploadError> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(layout.probe(object))
            .version_id(version_id);
        self.call("delete what was put to try", 0, request.send())
            .await?;
        Ok(())
    }

    pub(super) async fn newest_version(&self, key: &str) -> Result<Option<Head>, UploadError> {
        let request = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(key)
            .max_keys(2);
        let answer = self
            .call("list an object's versions", 0, request.send())
            .await?;
        // Versions come newest first, keys in order: the key itself before all that it is a prefix of.
        Ok(answer
            .versions
            .unwrap_or_default()
            .into_iter()
            .find(|version| version.key.as_deref() == Some(key))
            .map(|version| Head {
                size: length(version.size),
                etag: version
                    .e_tag
                    .as_deref()
                    .and_then(bare_etag)
                    .map(str::to_owned),
                version_id: version.version_id,
                checksum: None,
            }))
    }
}

/// The answer is that of another call, or the store does not know this one.
fn not_understood(error: &UploadError) -> bool {
    match error {
        UploadError::BadAnswer { .. } => true,
        UploadError::Refused { status, code, .. } => *status == 501 || code == "NotImplemented",
        _ => false,
    }
}
