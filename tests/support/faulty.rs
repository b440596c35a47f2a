use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use camdock::model::Retention;
use camdock::upload::{
    Body, BucketFacts, Completed, DonePart, Head, ListPage, ListedPart, Put, Store, StoreConduct,
    StoreFuture, UploadError,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    PutOnce,
    Put,
    Get,
    GetRange,
    Head,
    List,
    Create,
    UploadPart,
    ListParts,
    Complete,
    Abort,
    Uploads,
    CheckBucket,
    Newest,
    Retention,
    SetRetention,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call never reaches the store.
    NotDone,
    /// The store carries the call out, but the reply is lost.
    Done,
}

/// A real store behind a network that fails on request; it counts the calls that got through.
pub struct Faulty<S> {
    inner: S,
    plan: Mutex<HashMap<(Op, u32), Fault>>,
    calls: Mutex<HashMap<Op, u32>>,
}

impl<S: Store> Faulty<S> {
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// Makes the `nth` call of `op` from now on (1 is the next) fail.
    pub fn fail(&self, op: Op, nth: u32, fault: Fault) {
        let so_far = self.calls(op);
        self.plan.lock().unwrap().insert((op, so_far + nth), fault);
    }

    /// The number of calls of `op`, failed calls included.
    pub fn calls(&self, op: Op) -> u32 {
        self.calls.lock().unwrap().get(&op).copied().unwrap_or(0)
    }

    fn next(&self, op: Op) -> Option<Fault> {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(op).or_insert(0);
        *count += 1;
        self.plan.lock().unwrap().remove(&(op, *count))
    }

    fn run<'a, T: Send + 'a>(&'a self, op: Op, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            match self.next(op) {
                None => call.await,
                Some(Fault::NotDone) => Err(lost()),
                Some(Fault::Done) => {
                    call.await?;
                    Err(lost())
                }
            }
        })
    }
}

fn lost() -> UploadError {
    UploadError::Unreachable {
        action: "test",
        source: "the network was cut".into(),
    }
}

impl<S: Store> Store for Faulty<S> {
    fn bucket(&self) -> &str {
        self.inner.bucket()
    }

    fn conduct(&self) -> &StoreConduct {
        self.inner.conduct()
    }

    fn newest<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Head>> {
        self.run(Op::Newest, self.inner.newest(key))
    }

    fn retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Retention>> {
        self.run(Op::Retention, self.inner.retention(key, version_id))
    }

    fn set_retention<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        retention: &'a Retention,
    ) -> StoreFuture<'a, ()> {
        self.run(
            Op::SetRetention,
            self.inner.set_retention(key, version_id, retention),
        )
    }

    fn put_once<'a>(
        &'a self,
        key: &'a str,
        body: Body,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, Option<Put>> {
        self.run(Op::PutOnce, self.inner.put_once(key, body, retention))
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, Put> {
        self.run(Op::Put, self.inner.put(key, body))
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> StoreFuture<'a, Option<Bytes>> {
        self.run(Op::Get, self.inner.get(key, limit))
    }

    fn get_range<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
        offset: u64,
        len: u64,
    ) -> StoreFuture<'a, Bytes> {
        self.run(
            Op::GetRange,
            self.inner.get_range(key, version_id, offset, len),
        )
    }

    fn head<'a>(
        &'a self,
        key: &'a str,
        version_id: Option<&'a str>,
    ) -> StoreFuture<'a, Option<Head>> {
        self.run(Op::Head, self.inner.head(key, version_id))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> StoreFuture<'a, ListPage> {
        self.run(Op::List, self.inner.list(prefix, after))
    }

    fn create_multipart<'a>(
        &'a self,
        key: &'a str,
        retention: Option<&'a Retention>,
    ) -> StoreFuture<'a, String> {
        self.run(Op::Create, self.inner.create_multipart(key, retention))
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        number: u32,
        body: Body,
    ) -> StoreFuture<'a, Option<String>> {
        self.run(
            Op::UploadPart,
            self.inner.upload_part(key, upload_id, number, body),
        )
    }

    fn list_parts<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
    ) -> StoreFuture<'a, Option<Vec<ListedPart>>> {
        self.run(Op::ListParts, self.inner.list_parts(key, upload_id))
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload_id: &'a str,
        parts: &'a [DonePart],
        once: bool,
    ) -> StoreFuture<'a, Completed> {
        self.run(
            Op::Complete,
            self.inner.complete(key, upload_id, parts, once),
        )
    }

    fn abort<'a>(&'a self, key: &'a str, upload_id: &'a str) -> StoreFuture<'a, ()> {
        self.run(Op::Abort, self.inner.abort(key, upload_id))
    }

    fn uploads<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Vec<String>> {
        self.run(Op::Uploads, self.inner.uploads(key))
    }

    fn check_bucket(&self) -> StoreFuture<'_, BucketFacts> {
        self.run(Op::CheckBucket, self.inner.check_bucket())
    }
}
