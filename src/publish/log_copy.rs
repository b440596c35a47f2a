//! The bucket's copy of a log: published, compared with the log here, and fetched back when that is lost.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::PublishError;
use crate::audit::{
    AuditError, Checkpoint, DirSource, LogHandle, Standing, VerifierKey, compare, is_full_tile,
    log_files, verify_log,
};
use crate::durable::{self, DurableError};
use crate::failpoint::{reached, step};
use crate::metrics;
use crate::upload::{Body, RetentionPolicy, Store, UploadError, put_small_once};

/// Before the size, the name of a checkpoint that is written once and locked.
pub const ANCHORS: &str = "checkpoints/";
const CHECKPOINT_MAX: u64 = 64 << 10;
/// Longer than any file of a log.
const FILE_MAX: u64 = 32 << 20;

/// Remembers how much of the log the bucket is known to hold.
pub trait PublishedMark: Send + Sync {
    fn get(&self) -> Result<Option<u64>, PublishError>;
    fn set(&self, size: u64) -> Result<(), PublishError>;
    /// The bucket holds this much, and may have held more, which is not forgotten: a shorter log must never be continued.
    fn publish_again_from(&self, size: u64) -> Result<(), PublishError>;
}

/// Where and how a log is published.
pub struct LogCopy {
    pub log: LogHandle,
    pub store: Arc<dyn Store>,
    /// Of the log in the bucket, with `/` at its end.
    pub folder: String,
    /// Of what is written once: full tiles and anchors.
    pub retention: Option<RetentionPolicy>,
    pub mark: Box<dyn PublishedMark>,
}

impl LogCopy {
    /// Puts what is new into the bucket, the checkpoint last; returns the size that is published now. With `anchor`, the
    /// checkpoint is also left where its writer cannot take it back.
    pub async fn publish(&self, anchor: bool) -> Result<u64, PublishError> {
        let published = blocking(|| self.mark.get())?.unwrap_or(0);
        let (checkpoint, note, files) = self.log.files_since(published);
        if checkpoint.size > published {
            step!("publish");
            for file in files {
                let Some(bytes) = blocking(|| self.log.read(&file))? else {
                    // A partial tile that a newer one has replaced meanwhile: the next round has it.
                    return Ok(published);
                };
                if is_full_tile(&file) {
                    self.put_locked(&file, bytes.into(), checkpoint.size)
                        .await?;
                } else {
                    self.put(&file, bytes.into()).await?;
                }
            }
            reached!("publish: tiles");
            self.put("checkpoint", Bytes::from(note.clone())).await?;
            blocking(|| self.mark.set(checkpoint.size))?;
            metrics::log_published(checkpoint.size);
        }
        if anchor && checkpoint.size >= published {
            let file = format!("{ANCHORS}{}", checkpoint.size);
            self.put_locked(&file, note.into(), checkpoint.size).await?;
        }
        Ok(checkpoint.size.max(published))
    }

    async fn put(&self, file: &str, bytes: Bytes) -> Result<(), PublishError> {
        let key = format!("{}{file}", self.folder);
        self.store.put(&key, Body::new(bytes)).await?;
        Ok(())
    }

    /// Puts it once and locked. Other content that is there already is another history of `size` entries.
    async fn put_locked(&self, file: &str, bytes: Bytes, size: u64) -> Result<(), PublishError> {
        let key = format!("{}{file}", self.folder);
        match put_small_once(&*self.store, &key, bytes, self.retention).await {
            Ok(_) => Ok(()),
            Err(UploadError::ContentDiffers { .. }) => Err(PublishError::LogFork { size }),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses to go on with a log that is behind or beside what the bucket holds (design, section 6).
    pub async fn check(&self) -> Result<Option<Checkpoint>, PublishError> {
        let key = self.log.verifier();
        let Some(note) = self.published_checkpoint().await? else {
            if blocking(|| self.mark.get())?.is_some_and(|n| n > 0) {
                metrics::error("bucket_log_missing");
                tracing::error!(
                    code = "bucket_log_missing",
                    next_step = "find out who emptied the bucket, and run `camdock verify`: it names every item that is gone",
                    "the bucket no longer holds this log; all of it is published again"
                );
                blocking(|| self.mark.publish_again_from(0))?;
            }
            return Ok(None);
        };
        let note = String::from_utf8_lossy(&note);
        let theirs = key.open(&note).map_err(PublishError::LogForeign)?;
        match blocking(|| compare(self.log.source(), &note, key))? {
            Standing::Behind { local, other } => {
                return Err(PublishError::LogBehind {
                    local,
                    bucket: other,
                });
            }
            Standing::Fork { size } => return Err(PublishError::LogFork { size }),
            Standing::Same | Standing::Ahead { .. } => {}
        }
        let published = blocking(|| self.mark.get())?.unwrap_or(0);
        if theirs.size < published {
            metrics::error("bucket_log_older");
            tracing::error!(
                code = "bucket_log_older",
                bucket = theirs.size,
                published,
                next_step = "find out who put an old copy into the bucket, and run `camdock verify`; keep its output",
                "the bucket's copy of the log is older than what was published from here; what is missing is published again"
            );
        }
        blocking(|| self.mark.publish_again_from(theirs.size))?;
        metrics::log_published(theirs.size);
        Ok(Some(theirs))
    }

    /// The bucket's checkpoint; `None` when there is none. Keys that may not list the bucket are told that a missing object is
    /// forbidden (AWS, Ceph): then the versions of that key are asked for, which is a right of its own.
    async fn published_checkpoint(&self) -> Result<Option<Bytes>, UploadError> {
        let key = format!("{}checkpoint", self.folder);
        match self.store.get(&key, CHECKPOINT_MAX).await {
            Err(forbidden @ UploadError::Forbidden { .. }) => match self.store.newest(&key).await {
                Ok(None) => Ok(None),
                _ => Err(forbidden),
            },
            answer => answer,
        }
    }
}

/// Short disk work within an async task: lets the other tasks of this thread go elsewhere.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Fetches the log into `dir`, which has none, once it is verified; returns its size. `folder`: in the bucket, with `/` at its
/// end. `witnessed`: receipts or locked checkpoints in the bucket may name a log of this size, so that a shorter one must never be
/// continued.
pub async fn fetch_log(
    store: &dyn Store,
    folder: &str,
    key: &VerifierKey,
    dir: &Path,
    witnessed: u64,
) -> Result<u64, PublishError> {
    let get = async |file: &str| -> Result<bytes::Bytes, PublishError> {
        let object = format!("{folder}{file}");
        let bytes = store.get(&object, FILE_MAX).await?;
        bytes.ok_or_else(|| AuditError::Missing { key: object }.into())
    };
    let note = get("checkpoint").await?;
    let checkpoint = key
        .open(&String::from_utf8_lossy(&note))
        .map_err(PublishError::LogForeign)?;
    if checkpoint.size < witnessed {
        return Err(PublishError::LogLost {
            bucket: checkpoint.size,
            witnessed,
        });
    }
    let fetched = dir.with_extension("fetched");
    let cleared = |source| AuditError::Read {
        key: fetched.display().to_string(),
        source,
    };
    if fetched.exists() {
        fs::remove_dir_all(&fetched).map_err(cleared)?;
    }
    for file in log_files(checkpoint.size) {
        let bytes = get(&file).await?;
        put(&fetched, &file, &bytes)?;
    }
    put(&fetched, "checkpoint", &note)?;
    let report = verify_log(&DirSource::new(&fetched), key, &mut |_, _| {}, None)?;
    if let Some(finding) = report.findings.first() {
        return Err(PublishError::LogCopyWrong(finding.to_string()));
    }
    durable::sync_filesystem(&fetched)?;
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(cleared)?;
    }
    durable::rename_new(&fetched, dir)?;
    Ok(checkpoint.size)
}

fn put(dir: &Path, file: &str, bytes: &[u8]) -> Result<(), DurableError> {
    let path = dir.join(file);
    if let Some(folder) = path.parent() {
        durable::create_dir(folder)?;
    }
    durable::write_unsynced(&path, bytes)
}
