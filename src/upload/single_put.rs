//! Objects that are put in one call.

use bytes::Bytes;
use jiff::Timestamp;

use super::expected::ExpectedObject;
use super::store::{Body, Store, StoredObject};
use super::{RetentionPolicy, UploadError};
use crate::model::Retention;

/// Stores a small object once. If the same content is there already, that is fine; other
/// content is an alarm.
pub async fn put_small_once(
    store: &dyn Store,
    key: &str,
    bytes: Bytes,
    retention: Option<RetentionPolicy>,
) -> Result<StoredObject, UploadError> {
    let retention = retention.map(|policy| policy.from(Timestamp::now()));
    put_locked(store, key, Body::new(bytes), retention).await
}

/// The same with a lock that the caller has settled.
pub async fn put_locked(
    store: &dyn Store,
    key: &str,
    mut body: Body,
    retention: Option<Retention>,
) -> Result<StoredObject, UploadError> {
    let conduct = store.conduct();
    conduct.check()?;
    if conduct.wants_md5() {
        body = body.with_md5();
    }
    let expected = ExpectedObject {
        key,
        size: body.bytes.len() as u64,
        part_size: None,
        checksum: body.sha256.to_base64(),
        etag: body.md5.map(super::Md5Digest::to_etag),
        retention,
    };
    if let Some(there) = expected.before(store).await? {
        return Ok(there);
    }
    match store
        .put_once(key, body, expected.retention.as_ref())
        .await?
    {
        Some(put) => expected.confirm(store, put).await,
        None => expected.key_taken(store).await,
    }
}
