//! A store in memory that keeps what it was given once, and fails on demand.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::model::Retention;
use crate::upload::{
    Body, BucketFacts, Completed, DonePart, Head, ListPage, ListedPart, Put, Store, StoreConduct,
    StoreFuture, UploadError,
};

#[derive(Default)]
pub struct Inside {
    pub objects: HashMap<String, (Bytes, String)>,
    /// Calls that fail from now on.
    pub fails: u8,
    /// With the object stored and only the answer lost.
    pub answer_lost: bool,
}

#[derive(Default)]
pub struct MemoryStore(Mutex<Inside>, StoreConduct);

impl MemoryStore {
    pub fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock()
    }

    pub fn has(&self, key: &str) -> bool {
        self.lock().objects.contains_key(key)
    }

    fn put_now(&self, key: &str, body: Body, once: bool) -> Result<Option<Put>, UploadError> {
        let mut inside = self.lock();
        let failed = inside.fails > 0;
        inside.fails = inside.fails.saturating_sub(1);
        let lost = || UploadError::Timeout {
            action: "put",
            limit: std::time::Duration::from_secs(1),
        };
        if failed && !inside.answer_lost {
            return Err(lost());
        }
        if once && inside.objects.contains_key(key) {
            return if failed { Err(lost()) } else { Ok(None) };
        }
        let checksum = body.sha256.to_base64();
        inside
            .objects
            .insert(key.to_owned(), (body.bytes, checksum.clone()));
        if failed {
            return Err(lost());
        }
        Ok(Some(Put {
            version_id: None,
            checksum: Some(checksum),
            etag: None,
        }))
    }
}

fn never<'a, T: 'a>() -> StoreFuture<'a, T> {
    Box::pin(async {
        Err(UploadError::NoBucket {
            bucket: "not in this model".into(),
        })
    })
}

impl Store for MemoryStore {
    fn bucket(&self) -> &'static str {
        "model"
    }

    fn conduct(&self) -> &StoreConduct {
        &self.1
    }

    fn newest<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Option<Head>> {
        never()
    }

    fn retention<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Retention>> {
        never()
    }

    fn set_retention<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: &'a Retention,
    ) -> StoreFuture<'a, ()> {
        never()
    }

    fn put_once<'a>(
        &'a self,
        key: &'a str,
        body: Body,
        _: Option<&'a Retention>,
    ) -> StoreFuture<'a, Option<Put>> {
        Box::pin(async move { self.put_now(key, body, true) })
    }

    fn put<'a>(&'a self, _: &'a str, _: Body) -> StoreFuture<'a, Put> {
        never()
    }

    fn get<'a>(&'a self, key: &'a str, _: u64) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move { Ok(self.lock().objects.get(key).map(|(bytes, _)| bytes.clone())) })
    }

    fn get_range<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u64,
        _: u64,
    ) -> StoreFuture<'a, Bytes> {
        never()
    }

    fn head<'a>(&'a self, key: &'a str, _: Option<&'a str>) -> StoreFuture<'a, Option<Head>> {
        Box::pin(async move {
            let inside = self.lock();
            Ok(inside.objects.get(key).map(|(bytes, checksum)| Head {
                size: bytes.len() as u64,
                version_id: None,
                checksum: Some(checksum.clone()),
                etag: None,
            }))
        })
    }

    fn list<'a>(&'a self, _: &'a str, _: Option<&'a str>) -> StoreFuture<'a, ListPage> {
        never()
    }

    fn create_multipart<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a Retention>,
    ) -> StoreFuture<'a, String> {
        never()
    }

    fn upload_part<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: u32,
        _: Body,
    ) -> StoreFuture<'a, Option<String>> {
        never()
    }

    fn list_parts<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> StoreFuture<'a, Option<Vec<ListedPart>>> {
        never()
    }

    fn complete<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [DonePart],
        _: bool,
    ) -> StoreFuture<'a, Completed> {
        never()
    }

    fn abort<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, ()> {
        never()
    }

    fn uploads<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Vec<String>> {
        never()
    }

    fn check_bucket(&self) -> StoreFuture<'_, BucketFacts> {
        never()
    }
}
