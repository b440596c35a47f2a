//! S3 legal hold: a version with one cannot be deleted by anybody, however its lock stands.

use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};

use super::S3Store;
use crate::upload::UploadError;

impl S3Store {
    /// Whether the store says that a version is under legal hold. [`s3:GetObjectLegalHold`]
    pub async fn legal_hold(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<bool, UploadError> {
        let request = self
            .client
            .get_object_legal_hold()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned));
        match self
            .call("read an object's legal hold", 0, request.send())
            .await
        {
            Ok(answer) => Ok(answer.legal_hold.and_then(|hold| hold.status)
                == Some(ObjectLockLegalHoldStatus::On)),
            // It never had one.
            Err(failure)
                if failure.status == 404
                    && matches!(
                        failure.code.as_str(),
                        // SeaweedFS has a code of its own, and Ceph says it of a version as of a bucket.
                        "NoSuchObjectLockConfiguration"
                            | "NoSuchObjectLegalHold"
                            | "ObjectLockConfigurationNotFoundError"
                    ) =>
            {
                Ok(false)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// [`s3:PutObjectLegalHold`]
    pub async fn set_legal_hold(
        &self,
        key: &str,
        version_id: Option<&str>,
        on: bool,
    ) -> Result<(), UploadError> {
        let status = if on {
            ObjectLockLegalHoldStatus::On
        } else {
            ObjectLockLegalHoldStatus::Off
        };
        let request = self
            .client
            .put_object_legal_hold()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .legal_hold(ObjectLockLegalHold::builder().status(status).build());
        self.call("set an object's legal hold", 0, request.send())
            .await?;
        Ok(())
    }
}
