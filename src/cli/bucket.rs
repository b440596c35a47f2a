//! The bucket for the verbs, which are not async: small objects, a sequential reader, and the log as a source.

use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;

use crate::audit::{AuditError, LogSource};
use crate::config::{Config, Secrets};
use crate::failpoint::disk;
use crate::ingest::now;
use crate::model::{BucketLayout, EvidenceId, Explain as _, Retention, RetryClass, Sha256Digest};
use crate::station::parts;
use crate::upload::{
    Body, Head, ListedObject, ListedVersion, S3Store, Store as _, UploadError, list_all,
};

/// Bytes fetched at a time by [`ObjectReader`].
const STEP: u64 = 8 << 20;
/// Objects that a listing may hold in memory.
const OBJECTS_MAX: usize = 10_000_000;
pub const RECEIPT: &str = "receipt";
/// A receipt that is put later than this after the entry about its item is missing.
pub const RECEIPT_PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// The clock here may be behind the station's by this much.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(1);
/// A range that fails is fetched again after these pauses.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

pub struct Bucket {
    runtime: Runtime,
    store: S3Store,
    layout: BucketLayout,
}

impl Bucket {
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let store = parts::store_to_read(config, &Secrets::from_environment())?;
        Self::of(store, config.bucket_layout())
    }

    /// The part of a store with these names.
    pub fn of(store: S3Store, layout: BucketLayout) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            store,
            layout,
        })
    }

    /// The names of the station's objects.
    pub const fn layout(&self) -> &BucketLayout {
        &self.layout
    }

    pub fn get(&self, key: &str, limit: u64) -> anyhow::Result<Option<Bytes>> {
        Ok(self.wait(self.store.get(key, limit))?)
    }

    /// One version of a small object; `None` when the store does not have it.
    pub fn get_version(
        &self,
        key: &str,
        version: Option<&str>,
        limit: u64,
    ) -> anyhow::Result<Option<Bytes>> {
        if version.is_none() {
            return self.get(key, limit);
        }
        let Some(head) = self.head(key, version)? else {
            return Ok(None);
        };
        if head.size > limit {
            let key = key.to_owned();
            return Err(UploadError::Oversized { key, limit }.into());
        }
        Ok(Some(
            self.wait(self.store.get_range(key, version, 0, limit))?,
        ))
    }

    /// Every version below `prefix`; `None` if the credentials or the store do not allow listing versions.
    pub fn versions(&self, prefix: &str) -> anyhow::Result<Option<Vec<ListedVersion>>> {
        match self.wait(self.store.list_versions(prefix, OBJECTS_MAX)) {
            Ok(versions) => Ok(Some(versions)),
            Err(UploadError::Forbidden { .. } | UploadError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn list(&self, prefix: &str) -> anyhow::Result<Vec<ListedObject>> {
        Ok(self.wait(list_all(&self.store, prefix, OBJECTS_MAX))?)
    }

    pub fn head(&self, key: &str, version: Option<&str>) -> anyhow::Result<Option<Head>> {
        Ok(self.wait(self.store.head(key, version))?)
    }

    /// Compares the lock of a version with the one in the log; `None` if it holds. A lock whose time has passed does not matter.
    pub fn lock_problem(
        &self,
        key: &str,
        version: Option<&str>,
        logged: Option<&Retention>,
    ) -> anyhow::Result<Option<String>> {
        let Some(logged) = logged else {
            return Ok(None);
        };
        let seen = self.lock_short(key, version, logged)?;
        Ok(seen.map(|seen| format!("{seen} in the store, locked {logged} in the log")))
    }

    /// What the store says of the lock of a version, if that falls short of `wanted`.
    pub fn lock_short(
        &self,
        key: &str,
        version: Option<&str>,
        wanted: &Retention,
    ) -> anyhow::Result<Option<String>> {
        if wanted.until <= now() {
            return Ok(None);
        }
        let seen = self.lock(key, version)?;
        Ok((!wanted.is_held_by(seen.as_ref()))
            .then(|| seen.map_or_else(|| "not locked".to_owned(), |lock| format!("locked {lock}"))))
    }

    /// How the store says that a version is locked.
    pub fn lock(&self, key: &str, version: Option<&str>) -> anyhow::Result<Option<Retention>> {
        Ok(self.wait(self.store.retention(key, version))?)
    }

    /// The first bytes of an object; it must have as many.
    pub fn beginning(
        &self,
        key: &str,
        version: Option<&str>,
        length: u64,
    ) -> anyhow::Result<Bytes> {
        Ok(self.wait(self.store.get_range(key, version, 0, length))?)
    }

    /// Whether the receipt of an item that was logged as stored at `stored` may still be on its way: it is put after the entry.
    pub fn receipt_waits(&self, id: EvidenceId, stored: Timestamp) -> anyhow::Result<bool> {
        let age = now().duration_since(stored);
        if age > RECEIPT_PATIENCE || age < -CLOCKS_APART {
            return Ok(false);
        }
        // A receipt that was deleted has been there.
        let key = self.layout.object(id, RECEIPT);
        let versions = self.versions(&key)?.unwrap_or_default();
        Ok(!versions.iter().any(|version| version.key == key))
    }

    /// Every object in the station's folder of items.
    pub fn evidence(&self) -> anyhow::Result<Vec<ListedObject>> {
        Ok(self.wait(list_all(
            &self.store,
            &self.layout.evidence_folder(),
            OBJECTS_MAX,
        ))?)
    }

    pub fn name(&self) -> &str {
        self.store.bucket()
    }

    /// The keys of all confirmations.
    pub fn confirmed(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.layout.confirmed_folder();
        let listed = self.wait(list_all(&self.store, &folder, OBJECTS_MAX))?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }

    /// Stores it once: an existing confirmation is never overwritten.
    pub fn put_confirmation(&self, id: EvidenceId, note: String) -> anyhow::Result<()> {
        let key = self.layout.confirmation(id);
        match self.wait(self.store.put_once(&key, Body::new(note), None))? {
            Some(_) => Ok(()),
            None => anyhow::bail!("another confirmation exists already"),
        }
    }

    /// Stores a note that somebody opens the item; it never takes another's place.
    pub fn put_view(&self, id: EvidenceId, at: Timestamp, note: String) -> anyhow::Result<()> {
        let digest = Sha256Digest::of(note.as_bytes()).to_string();
        let name = format!("{}-{}", at.as_millisecond(), &digest[..16]);
        let key = self.layout.view(id, &name);
        match self.wait(self.store.put_once(&key, Body::new(note), None))? {
            Some(_) => Ok(()),
            None => anyhow::bail!("a note of this name exists already"),
        }
    }

    /// The keys of all such notes.
    pub fn views(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.layout.viewed_folder();
        let listed = self.wait(list_all(&self.store, &folder, OBJECTS_MAX))?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl LogSource for Bucket {
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let key = self.layout.log(key);
        match self.wait(self.store.get(&key, 20 << 20)) {
            Ok(found) => Ok(found.map(|bytes| bytes.to_vec())),
            Err(error) => Err(AuditError::Read {
                key,
                source: io::Error::other(error),
            }),
        }
    }
}

/// Whether the object is larger than anything that may be there.
pub fn is_oversized(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|e| matches!(e.downcast_ref(), Some(UploadError::Oversized { .. })))
}

/// One object from its beginning to its end, a few MiB at a time.
pub struct ObjectReader {
    bucket: Arc<Bucket>,
    key: String,
    version: Option<String>,
    size: u64,
    offset: u64,
    fetched: Bytes,
}

impl ObjectReader {
    pub fn version(
        bucket: Arc<Bucket>,
        key: String,
        version: Option<String>,
    ) -> anyhow::Result<Self> {
        let Some(head) = bucket.head(&key, version.as_deref())? else {
            anyhow::bail!("the store has no object {key}");
        };
        Ok(Self {
            bucket,
            key,
            version,
            size: head.size,
            offset: 0,
            fetched: Bytes::new(),
        })
    }
}

impl ObjectReader {
    /// Tries again while the store may come back.
    fn fetch(&self, length: u64) -> io::Result<Bytes> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.fetch_once(length) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let store = error
                .get_ref()
                .and_then(|e| e.downcast_ref::<UploadError>());
            let later = store.is_none_or(|error| error.retry_class() == RetryClass::Later);
            match pauses.next() {
                Some(pause) if later => std::thread::sleep(*pause),
                _ => return Err(error),
            }
        }
    }

    fn fetch_once(&self, length: u64) -> io::Result<Bytes> {
        let (key, version) = (&self.key, self.version.as_deref());
        disk!("store get range", Path::new(key), |error: io::Error| error);
        let get = self
            .bucket
            .store
            .get_range(key, version, self.offset, length);
        self.bucket.wait(get).map_err(io::Error::other)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.fetched.is_empty() && self.offset < self.size {
            let length = STEP.min(self.size - self.offset);
            self.fetched = self.fetch(length)?;
            if self.fetched.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.offset += self.fetched.len() as u64;
        }
        let n = out.len().min(self.fetched.len());
        self.fetched.copy_to_slice(&mut out[..n]);
        Ok(n)
    }
}
