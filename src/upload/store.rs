//! The store as the rest of the program sees it: one method a call, each of which tries once.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::model::{ConfirmedBy, Retention, Sha256Digest};

use super::{Md5Digest, StoreConduct, UploadError};

pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, UploadError>> + Send + 'a>>;

/// Bytes to send with the digest they were given when they were read, so that no layer hashes them again.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Bytes,
    pub sha256: Sha256Digest,
    /// For stores that check and name no SHA-256.
    pub md5: Option<Md5Digest>,
}

impl Body {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = Sha256Digest::of(&bytes);
        Self {
            bytes,
            sha256,
            md5: None,
        }
    }

    #[must_use]
    pub fn with_md5(mut self) -> Self {
        self.md5 = Some(Md5Digest::of(&self.bytes));
        self
    }
}

/// The store's answer to a put or a complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub version_id: Option<String>,
    /// SHA-256 as the store names it: base64, `-N` appended for N parts.
    pub checksum: Option<String>,
    /// Without quotes; `None` also when it is empty.
    pub etag: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub size: u64,
    pub version_id: Option<String>,
    /// SHA-256 as the store names it; `None` when it keeps none.
    pub checksum: Option<String>,
    /// Without quotes; `None` also when it is empty.
    pub etag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    pub key: String,
    pub version_id: Option<String>,
    /// `None` for a delete marker.
    pub size: Option<u64>,
    /// Whether readers that name no version get this one.
    pub latest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    pub objects: Vec<ListedObject>,
    /// More keys follow: give the last key as `after`.
    pub more: bool,
}

impl ListPage {
    /// Whether more keys follow. A page that says so and leads nowhere is an error: taken as the end, it would hide what follows.
    fn goes_on(&self, after: Option<&str>) -> Result<bool, UploadError> {
        let last = self.objects.last().map(|listed| listed.key.as_str());
        if self.more && (last.is_none() || last == after) {
            return Err(UploadError::BadAnswer {
                action: "list objects",
                source: "it says that more keys follow, and names none of them".into(),
            });
        }
        Ok(self.more)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    pub number: u32,
    pub size: u64,
    pub etag: String,
    /// `None` when the store does not list it (SeaweedFS).
    pub checksum: Option<Sha256Digest>,
}

/// A part that the store has taken; Complete names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DonePart {
    pub number: u32,
    pub etag: String,
    pub sha256: Sha256Digest,
}

/// A fact about the bucket that the credentials may not allow us to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketAnswer {
    Yes,
    No,
    NotAllowedToAsk,
}

/// The bucket's settings. A missing bucket and bad credentials are errors instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    pub object_lock: BucketAnswer,
    pub versioning: BucketAnswer,
    /// The store's clock minus ours in seconds, from its `Date` header; good to a second or two.
    pub clock_ahead: Option<i64>,
}

/// Where an object is, as `item.stored` logs it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObject {
    pub key: String,
    pub version_id: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Bytes of each part but the last. `None` if it was put whole; `checksum` is then the plain SHA-256.
    pub part_size: Option<u64>,
    /// The checksum as we computed it.
    pub checksum: String,
    pub confirmed_by: ConfirmedBy,
    /// The lock as the store named it afterwards.
    pub retention: Option<Retention>,
    /// The store had it already with this content: an earlier attempt's reply was lost.
    pub already_there: bool,
}

/// An S3 bucket. Each method is one call that tries once. Keys are whole keys, prefix included; `action` rights in
/// brackets are those of an S3 policy.
pub trait Store: Send + Sync {
    fn bucket(&self) -> &str;

    /// The behaviour that was seen of this store.
    fn conduct(&self) -> &StoreConduct;

    /// Creates an object, never replaces one: `Ok(None)` when the key is taken. [`s3:PutObject`, `s3:PutObjectRetention`]
    fn put_once<'a>(
        &'a self,
        key: &'a str,
        body: Body,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, Option<Put>>;

    /// Creates or replaces an object: only for the custody log's checkpoint and tiles. [`s3:PutObject`]
    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, Put>;

    /// A whole object of at most `limit` bytes; `None` when there is none. [`s3:GetObject`; without `s3:ListBucket`
    /// AWS calls a missing object forbidden]
    fn get<'a>(&'a self, key: &'a str, limit: u64) -> StoreFuture<'a, Option<Bytes>>;

    /// Bytes `offset..offset + len`, cut at the object's end. [`s3:GetObject`, with a version `s3:GetObjectVersion`]
    fn get_range<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        offset: u64,
        len: u64,
    ) -> StoreFuture<'a, Bytes>;

    /// Size and checksum; `None` when there is no such object. [`s3:GetObject`, with a version `s3:GetObjectVersion`]
    fn head<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Head>>;

    /// The newest version of this very key, without its checksum; `None` when there is none, or it is a deletion.
    /// [`s3:ListBucketVersions`]
    fn newest<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Head>>;

    /// The lock of a version; `None` when it is not locked. [`s3:GetObjectRetention`]
    fn retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Retention>>;

    /// Locks a version that is there. [`s3:PutObjectRetention`]
    fn set_retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        retention: &'a Retention,
    ) -> StoreFuture<'a, ()>;

    /// At most 1,000 keys under `prefix` that sort after `after`. [`s3:ListBucket`]
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> StoreFuture<'a, ListPage>;

    /// The new upload's id. [`s3:PutObject`, `s3:PutObjectRetention`]
    fn create_multipart<'a>(
        &'a self,
        key: &'a str,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, String>;

    /// The part's ETag; `None` when the store does not know the upload. [`s3:PutObject`]
    fn upload_part<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        number: u32,
        body: Body,
    ) -> StoreFuture<'a, Option<String>>;

    /// All parts that the store holds, in order, one number perhaps more than once; `None` when it does not know the
    /// upload. [`s3:ListMultipartUploadParts`]
    fn list_parts<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
    ) -> StoreFuture<'a, Option<Vec<ListedPart>>>;

    /// Makes the object of its parts. `once`: only where no object is. [`s3:PutObject`]
    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        parts: &'a [DonePart],
        once: bool,
    ) -> StoreFuture<'a, Completed>;

    /// Aborts an unfinished upload; one that is gone is fine. [`s3:AbortMultipartUpload`]
    fn abort<'a>(&'a self, key: &'a str, upload_id: &'a str) -> StoreFuture<'a, ()>;

    /// Ids of the unfinished uploads of this very key, at most a page of them. [`s3:ListBucketMultipartUploads`]
    fn uploads<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Vec<String>>;

    /// [`s3:GetBucketObjectLockConfiguration`, `s3:GetBucketVersioning`]
    fn check_bucket(&self) -> StoreFuture<'_, BucketFacts>;
}

/// The result of Complete, if not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    Done(Put),
    /// 412: an object is there already; the upload is still open.
    KeyTaken,
    /// 409: the store wants a new upload.
    Conflict,
    /// The store does not know the upload: it is finished, aborted or expired.
    NoSuchUpload,
    /// The store holds other parts than we named.
    PartsDiffer,
}

/// Shows all keys under `prefix`, a page at a time.
pub async fn each_page<E: From<UploadError>>(
    store: &dyn Store,
    prefix: &str,
    mut see: impl FnMut(Vec<ListedObject>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after: Option<String> = None;
    loop {
        let page = store.list(prefix, after.as_deref()).await?;
        let more = page.goes_on(after.as_deref())?;
        after = page.objects.last().map(|listed| listed.key.clone());
        see(page.objects)?;
        if !more {
            return Ok(());
        }
    }
}

/// All keys under `prefix`, refusing to hold more than `limit`.
pub async fn list_all(
    store: &dyn Store,
    prefix: &str,
    limit: usize,
) -> Result<Vec<ListedObject>, UploadError> {
    let mut all: Vec<ListedObject> = Vec::new();
    each_page(store, prefix, |page| {
        all.extend(page);
        if all.len() > limit {
            return Err(UploadError::Oversized {
                key: prefix.to_owned(),
                limit: limit as u64,
            });
        }
        Ok(())
    })
    .await?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], more: bool) -> ListPage {
        let objects = keys.iter().map(|key| ListedObject {
            key: (*key).to_owned(),
            size: 1,
        });
        ListPage {
            objects: objects.collect(),
            more,
        }
    }

    #[test]
    fn a_list_that_says_more_and_names_nothing_is_no_whole_list() {
        assert!(page(&["a"], true).goes_on(None).unwrap());
        assert!(page(&["b"], true).goes_on(Some("a")).unwrap());
        assert!(!page(&[], false).goes_on(Some("a")).unwrap());
        assert!(page(&[], true).goes_on(Some("a")).is_err());
        assert!(page(&["a"], true).goes_on(Some("a")).is_err());
    }
}
