//! A real store behind a gateway that ignores some of what it is asked.

use bytes::Bytes;
use camdock::model::Retention;
use camdock::upload::{
    Body, BucketFacts, Completed, DonePart, Head, ListPage, ListedPart, Put, Store, StoreConduct,
    StoreFuture,
};

/// The requests that are ignored, and the answers that are left out.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ignores {
    pub lock_at_creation: bool,
    pub lock_afterwards: bool,
    pub if_none_match: bool,
    pub sha256: bool,
    pub etag: bool,
}

pub struct LaxStore<S> {
    inner: S,
    ignores: Ignores,
    conduct: StoreConduct,
}

impl<S: Store> LaxStore<S> {
    pub fn new(inner: S, ignores: Ignores) -> Self {
        Self {
            inner,
            ignores,
            conduct: StoreConduct::default(),
        }
    }

    fn lock<'a>(&self, asked: Option<&'a Retention>) -> Option<&'a Retention> {
        asked.filter(|_| !self.ignores.lock_at_creation)
    }

    fn put_answer(&self, mut put: Put) -> Put {
        put.checksum = put.checksum.filter(|_| !self.ignores.sha256);
        put.etag = put.etag.filter(|_| !self.ignores.etag);
        put
    }

    fn head_answer(&self, mut head: Head) -> Head {
        head.checksum = head.checksum.filter(|_| !self.ignores.sha256);
        head.etag = head.etag.filter(|_| !self.ignores.etag);
        head
    }
}

impl<S: Store> Store for LaxStore<S> {
    fn bucket(&self) -> &str {
        self.inner.bucket()
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
            if self.ignores.if_none_match {
                return Ok(Some(self.put_answer(self.inner.put(key, body).await?)));
            }
            let put = self.inner.put_once(key, body, self.lock(retention)).await?;
            Ok(put.map(|put| self.put_answer(put)))
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, Put> {
        self.inner.put(key, body)
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> StoreFuture<'a, Option<Bytes>> {
        self.inner.get(key, limit)
    }

    fn get_range<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        offset: u64,
        len: u64,
    ) -> StoreFuture<'a, Bytes> {
        self.inner.get_range(key, version_id, offset, len)
    }

    fn head<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Head>> {
        Box::pin(async move {
            let head = self.inner.head(key, version_id).await?;
            Ok(head.map(|head| self.head_answer(head)))
        })
    }

    fn newest<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Head>> {
        self.inner.newest(key)
    }

    fn retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Retention>> {
        self.inner.retention(key, version_id)
    }

    fn set_retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        retention: &'a Retention,
    ) -> StoreFuture<'a, ()> {
        if self.ignores.lock_afterwards {
            return Box::pin(async { Ok(()) });
        }
        self.inner.set_retention(key, version_id, retention)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> StoreFuture<'a, ListPage> {
        self.inner.list(prefix, after)
    }

    fn create_multipart<'a>(
        &'a self,
        key: &'a str,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, String> {
        self.inner.create_multipart(key, self.lock(retention))
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        number: u32,
        body: Body,
    ) -> StoreFuture<'a, Option<String>> {
        self.inner.upload_part(key, upload_id, number, body)
    }

    fn list_parts<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
    ) -> StoreFuture<'a, Option<Vec<ListedPart>>> {
        self.inner.list_parts(key, upload_id)
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        parts: &'a [DonePart],
        once: bool,
    ) -> StoreFuture<'a, Completed> {
        Box::pin(async move {
            let once = once && !self.ignores.if_none_match;
            let completed = self.inner.complete(key, upload_id, parts, once).await?;
            Ok(match completed {
                Completed::Done(put) => Completed::Done(self.put_answer(put)),
                other => other,
            })
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload_id: &'a str) -> StoreFuture<'a, ()> {
        self.inner.abort(key, upload_id)
    }

    fn uploads<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Vec<String>> {
        self.inner.uploads(key)
    }

    fn check_bucket(&self) -> StoreFuture<'_, BucketFacts> {
        self.inner.check_bucket()
    }
}
