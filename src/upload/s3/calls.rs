//! The calls of [`Store`].

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload,
    CompletedPart,
};
use bytes::Bytes;

use crate::failpoint::step;
use crate::model::{Retention, Sha256Digest};
use crate::upload::error::NO_ETAG;
use crate::upload::md5::bare_etag;
use crate::upload::store::{
    Body, BucketAnswer, BucketFacts, Completed, DonePart, Head, ListPage, ListedObject, ListedPart,
    Put, Store, StoreFuture,
};
use crate::upload::{BoxError, MAX_PARTS, Md5Digest, StoreConduct, UploadError};

use super::S3Store;

const CONTENT_TYPE: &str = "application/octet-stream";
const PAGE: i32 = 1_000;
/// Enough for every part to have been sent four times.
const MOST_LISTED: usize = 40_000;

use super::convert::{length, lock_mode, lock_until, part_number};

impl S3Store {
    /// To be sent without payload signing: the signed checksum header covers the body, which is not hashed once more.
    fn put_request(&self, key: &str, body: Body) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(CONTENT_TYPE)
            .set_content_md5(body.md5.map(Md5Digest::to_base64))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(body.sha256.to_base64())
            .body(ByteStream::from(body.bytes))
    }
}

fn put_of(answer: PutObjectOutput) -> Put {
    Put {
        version_id: answer.version_id,
        checksum: answer.checksum_sha256,
        etag: bare(answer.e_tag),
    }
}

/// Some stores answer with an empty ETag.
fn bare(etag: Option<String>) -> Option<String> {
    bare_etag(etag.as_deref()?).map(str::to_owned)
}

impl Store for S3Store {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    fn conduct(&self) -> &StoreConduct {
        &self.conduct
    }

    fn put_once<'a>(
        &'a self,
        key: &'a str,
        body: Body,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, Option<Put>> {
        Box::pin(async move {
            step!("store put_once");
            let length = body.bytes.len() as u64;
            let request = self
                .put_request(key, body)
                .if_none_match("*")
                .set_object_lock_mode(lock_mode(retention))
                .set_object_lock_retain_until_date(lock_until(retention))
                .customize()
                .disable_payload_signing();
            match self.call("put object", length, request.send()).await {
                Ok(answer) => Ok(Some(put_of(answer))),
                Err(failure) if failure.status == 412 => Ok(None),
                Err(failure) if failure.status == 409 => Err(UploadError::Racing {
                    key: key.to_owned(),
                }),
                Err(failure) => Err(self.refused_lock(failure, retention).await),
            }
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, Put> {
        Box::pin(async move {
            step!("store put");
            let length = body.bytes.len() as u64;
            let again = body.clone();
            let request = self
                .put_request(key, body)
                .customize()
                .disable_payload_signing();
            let answer = self.call("put object", length, request.send()).await?;
            if self.conduct.refuses_second().is_none() {
                self.try_second(key, again).await;
            }
            Ok(put_of(answer))
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            step!("store get");
            match self.read(key, None, None, limit).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(failure) if failure.code == "NoSuchKey" => Ok(None),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn get_range<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        offset: u64,
        len: u64,
    ) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            if len == 0 {
                return Ok(Bytes::new());
            }
            let last = offset.saturating_add(len - 1);
            let range = format!("bytes={offset}-{last}");
            match self.read(key, version_id, Some(range), len).await {
                Ok(bytes) => Ok(bytes),
                // The range begins beyond the object's end.
                Err(failure) if failure.status == 416 => Ok(Bytes::new()),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn head<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Head>> {
        Box::pin(async move {
            step!("store head");
            let request = self
                .client
                .head_object()
                .bucket(&self.bucket)
                .key(key)
                .set_version_id(version_id.map(str::to_owned))
                .checksum_mode(ChecksumMode::Enabled);
            match self.call("head object", 0, request.send()).await {
                Ok(answer) => Ok(Some(Head {
                    size: length(answer.content_length),
                    version_id: answer.version_id,
                    checksum: answer.checksum_sha256,
                    etag: bare(answer.e_tag),
                })),
                Err(failure) if failure.status == 404 => Ok(None),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn newest<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Head>> {
        Box::pin(async move { self.newest_version(key).await })
    }

    fn retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Retention>> {
        Box::pin(async move {
            step!("store retention");
            self.lock_of(key, version_id).await
        })
    }

    fn set_retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        retention: &'a Retention,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            step!("store set_retention");
            self.lock(key, version_id, retention).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> StoreFuture<'a, ListPage> {
        Box::pin(async move {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_start_after(after.map(str::to_owned))
                .max_keys(PAGE);
            let answer = self.call("list objects", 0, request.send()).await?;
            Ok(ListPage {
                more: answer.is_truncated.unwrap_or(false),
                objects: answer
                    .contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| {
                        Some(ListedObject {
                            key: object.key?,
                            size: length(object.size),
                        })
                    })
                    .collect(),
            })
        })
    }

    fn create_multipart<'a>(
        &'a self,
        key: &'a str,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, String> {
        Box::pin(async move {
            step!("store create_multipart");
            let request = self
                .client
                .create_multipart_upload()
                .bucket(&self.bucket)
                .key(key)
                .content_type(CONTENT_TYPE)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .set_object_lock_mode(lock_mode(retention))
                .set_object_lock_retain_until_date(lock_until(retention));
            let action = "begin a multipart upload";
            let answer = match self.call(action, 0, request.send()).await {
                Ok(answer) => answer,
                Err(failure) => return Err(self.refused_lock(failure, retention).await),
            };
            answer
                .upload_id
                .filter(|id| !id.is_empty())
                .ok_or_else(|| bad_answer(action, "it names no upload id"))
        })
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        number: u32,
        body: Body,
    ) -> StoreFuture<'a, Option<String>> {
        Box::pin(async move {
            step!("store upload_part");
            let length = body.bytes.len() as u64;
            let ours = body.sha256.to_base64();
            let request = self
                .client
                .upload_part()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .part_number(part_number(number))
                .set_content_md5(body.md5.map(Md5Digest::to_base64))
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(ours.as_str())
                .body(ByteStream::from(body.bytes))
                .customize()
                .disable_payload_signing();
            let action = "upload part";
            match self.call(action, length, request.send()).await {
                Ok(answer) => {
                    if answer
                        .checksum_sha256
                        .as_ref()
                        .is_some_and(|theirs| *theirs != ours)
                    {
                        return Err(UploadError::Damaged {
                            action,
                            code: "the answer names another checksum".into(),
                        });
                    }
                    answer
                        .e_tag
                        .filter(|etag| bare_etag(etag).is_some())
                        .map(Some)
                        .ok_or_else(|| UploadError::Refused {
                            action,
                            status: 200,
                            code: NO_ETAG.into(),
                            message: "its answer names no ETag for the part".into(),
                        })
                }
                Err(failure) if failure.code == "NoSuchUpload" => Ok(None),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn list_parts<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
    ) -> StoreFuture<'a, Option<Vec<ListedPart>>> {
        Box::pin(async move {
            step!("store list_parts");
            let mut parts: Vec<ListedPart> = Vec::new();
            loop {
                let marker = parts.last().map(|part| part.number.to_string());
                let request = self
                    .client
                    .list_parts()
                    .bucket(&self.bucket)
                    .key(key)
                    .upload_id(upload_id)
                    .max_parts(PAGE)
                    .set_part_number_marker(marker.clone());
                let answer = match self.call("list parts", 0, request.send()).await {
                    Ok(answer) => answer,
                    Err(failure) if failure.code == "NoSuchUpload" => return Ok(None),
                    Err(failure) => return Err(failure.into()),
                };
                let before = parts.len();
                for part in answer.parts.unwrap_or_default() {
                    let number = part.part_number.and_then(|n| u32::try_from(n).ok());
                    let (Some(number), Some(etag)) = (number, part.e_tag) else {
                        continue;
                    };
                    // Numbers never fall and are bounded, so a store that repeats a page cannot cause a loop. SeaweedFS
                    // lists a part twice if it was sent twice, and accepts either.
                    if parts.last().is_none_or(|last| last.number <= number)
                        && u64::from(number) <= MAX_PARTS
                        && parts.len() < MOST_LISTED
                    {
                        parts.push(ListedPart {
                            number,
                            size: length(part.size),
                            etag,
                            checksum: part
                                .checksum_sha256
                                .as_deref()
                                .and_then(Sha256Digest::from_base64),
                        });
                    }
                }
                let last = parts.last().map(|part| part.number.to_string());
                if !answer.is_truncated.unwrap_or(false) || parts.len() == before || last == marker
                {
                    return Ok(Some(parts));
                }
            }
        })
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        parts: &'a [DonePart],
        once: bool,
    ) -> StoreFuture<'a, Completed> {
        Box::pin(async move {
            step!("store complete");
            let named = parts
                .iter()
                .map(|part| {
                    CompletedPart::builder()
                        .part_number(part_number(part.number))
                        .e_tag(&part.etag)
                        .checksum_sha256(part.sha256.to_base64())
                        .build()
                })
                .collect();
            let request = self
                .client
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .set_if_none_match(once.then(|| "*".to_owned()))
                .multipart_upload(
                    CompletedMultipartUpload::builder()
                        .set_parts(Some(named))
                        .build(),
                );
            match self.call("complete upload", 0, request.send()).await {
                Ok(answer) => Ok(Completed::Done(Put {
                    version_id: answer.version_id,
                    checksum: answer.checksum_sha256,
                    etag: bare(answer.e_tag),
                })),
                Err(failure) => match (failure.code.as_str(), failure.status) {
                    ("PreconditionFailed", _) | (_, 412) => Ok(Completed::KeyTaken),
                    ("ConditionalRequestConflict", _) | (_, 409) => Ok(Completed::Conflict),
                    ("NoSuchUpload", _) => Ok(Completed::NoSuchUpload),
                    ("InvalidPart" | "InvalidPartOrder" | "BadDigest", _) => {
                        Ok(Completed::PartsDiffer)
                    }
                    _ => Err(failure.into()),
                },
            }
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload_id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            step!("store abort");
            let request = self
                .client
                .abort_multipart_upload()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id);
            match self.call("abort upload", 0, request.send()).await {
                Ok(_) => Ok(()),
                Err(failure) if failure.code == "NoSuchUpload" => Ok(()),
                Err(failure) => Err(failure.into()),
            }
        })
    }

    fn uploads<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Vec<String>> {
        Box::pin(async move {
            step!("store uploads");
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(key)
                .max_uploads(PAGE);
            let answer = self
                .call("list unfinished uploads", 0, request.send())
                .await?;
            let uploads = answer.uploads.unwrap_or_default().into_iter();
            Ok(uploads
                .filter(|upload| upload.key.as_deref() == Some(key))
                .filter_map(|upload| upload.upload_id)
                .collect())
        })
    }

    fn check_bucket(&self) -> StoreFuture<'_, BucketFacts> {
        Box::pin(async move {
            // These are GETs instead of HeadBucket because their answers say what is wrong.
            let object_lock = match self.object_lock().await {
                Ok(enabled) => yes(enabled),
                Err(UploadError::Forbidden { .. }) => BucketAnswer::NotAllowedToAsk,
                Err(error) => return Err(error),
            };
            let versioning = self.client.get_bucket_versioning().bucket(&self.bucket);
            let versioning = self
                .call("read the bucket's versioning", 0, versioning.send())
                .await;
            let versioning = match versioning {
                Ok(answer) => yes(answer
                    .status
                    .is_some_and(|status| status == BucketVersioningStatus::Enabled)),
                Err(failure) => match failure.error {
                    UploadError::Forbidden { .. } => BucketAnswer::NotAllowedToAsk,
                    error => return Err(error),
                },
            };
            Ok(BucketFacts {
                object_lock,
                versioning,
                clock_ahead: self.clock_ahead(),
            })
        })
    }
}

pub(super) fn bad_answer(action: &'static str, why: &'static str) -> UploadError {
    UploadError::BadAnswer {
        action,
        source: BoxError::from(why),
    }
}

const fn yes(fact: bool) -> BucketAnswer {
    if fact {
        BucketAnswer::Yes
    } else {
        BucketAnswer::No
    }
}
