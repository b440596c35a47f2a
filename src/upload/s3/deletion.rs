//! Deletes one version of an object. The disposer alone calls it, and only its credentials may: a station's and an office's may not.

use super::S3Store;
use crate::upload::UploadError;

impl S3Store {
    /// A lock of any mode and a legal hold keep the version; nothing is asked to be overridden. A version that is gone already is fine.
    /// [`s3:DeleteObjectVersion`]
    pub async fn delete_version(&self, key: &str, version_id: &str) -> Result<(), UploadError> {
        let request = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version_id);
        self.call("delete a version by rule", 0, request.send())
            .await?;
        Ok(())
    }
}
