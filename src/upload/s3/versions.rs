//! Lists every version of the objects below a prefix, for those who check whether something was laid over an object.

use super::S3Store;
use super::convert::length;
use crate::upload::{ListedVersion, UploadError};

impl S3Store {
    /// Every version and delete marker below `prefix`, refusing to hold more than `limit`. [`s3:ListBucketVersions`]
    pub async fn list_versions(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<ListedVersion>, UploadError> {
        let mut all = Vec::new();
        let (mut key, mut version) = (None, None);
        loop {
            let request = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_key_marker(key.clone())
                .set_version_id_marker(version.clone());
            let answer = self.call("list object versions", 0, request.send()).await?;
            let stored = answer.versions.unwrap_or_default().into_iter();
            all.extend(stored.filter_map(|object| {
                Some(ListedVersion {
                    key: object.key?,
                    version_id: object.version_id,
                    size: Some(length(object.size)),
                    latest: object.is_latest.unwrap_or(false),
                })
            }));
            let markers = answer.delete_markers.unwrap_or_default().into_iter();
            all.extend(markers.filter_map(|marker| {
                Some(ListedVersion {
                    key: marker.key?,
                    version_id: marker.version_id,
                    size: None,
                    latest: marker.is_latest.unwrap_or(false),
                })
            }));
            if all.len() > limit {
                return Err(UploadError::Oversized {
                    key: prefix.to_owned(),
                    limit: limit as u64,
                });
            }
            let next = (answer.next_key_marker, answer.next_version_id_marker);
            // A store that repeats a page must not cause a loop.
            if !answer.is_truncated.unwrap_or(false) || next == (key, version) {
                return Ok(all);
            }
            (key, version) = next;
        }
    }
}
