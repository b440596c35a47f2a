//! The bucket's copy of the custody log: published, compared with ours at the start, and fetched back when ours is lost.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::{IngestError, Shared, WITNESSED, blocking};
use crate::audit::{
    AuditError, Checkpoint, DirSource, Standing, VerifierKey, compare, is_full_tile, log_files,
    verify_log,
};
use crate::durable::{self, DurableError};
use crate::failpoint::{reached, step};
use crate::journal::JournalError;
use crate::metrics;
use crate::model::StationName;
use crate::upload::{Body, RetentionPolicy, Store, UploadError, put_small_once};

/// How much of the log the bucket is known to hold.
pub const PUBLISHED: &str = "published";
/// Before the size, the name of a checkpoint that is written once and locked.
pub const ANCHORS: &str = "checkpoints/";
const CHECKPOINT_MAX: u64 = 64 << 10;
/// Longer than any file of a log.
const FILE_MAX: u64 = 32 << 20;

pub fn log_key(prefix: &str, station: &StationName, file: &str) -> String {
    format!("{prefix}log/{station}/{file}")
}

/// Where and how the log is published.
pub struct LogCopy<'a> {
    pub shared: &'a Shared,
    pub store: &'a dyn Store,
    /// Of all keys.
    pub prefix: &'a str,
    /// Of what is written once: full tiles and anchors.
    pub retention: Option<RetentionPolicy>,
}

impl LogCopy<'_> {
    /// Puts what is new into the bucket, the checkpoint last; returns the size that is published now. With `anchor`, the
    /// checkpoint is also left where this station cannot take it back.
    pub async fn publish(&self, anchor: bool) -> Result<u64, IngestError> {
        let shared = self.shared;
        let published = blocking(|| shared.journal.number(PUBLISHED))?.unwrap_or(0);
        let (checkpoint, note, files) = shared.log.files_since(published);
        if checkpoint.size > published {
            step!("publish");
            for file in files {
                let Some(bytes) = blocking(|| shared.log.read(&file))? else {
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
            blocking(|| shared.journal.set_number(PUBLISHED, checkpoint.size))?;
            metrics::log_published(checkpoint.size);
        }
        if anchor && checkpoint.size >= published {
            let file = format!("{ANCHORS}{}", checkpoint.size);
            self.put_locked(&file, note.into(), checkpoint.size).await?;
        }
        Ok(checkpoint.size.max(published))
    }

    async fn put(&self, file: &str, bytes: Bytes) -> Result<(), IngestError> {
        let key = log_key(self.prefix, &self.shared.station, file);
        self.store.put(&key, Body::new(bytes)).await?;
        Ok(())
    }

    /// Puts it once and locked. Other content that is there already is another history of `size` entries.
    async fn put_locked(&self, file: &str, bytes: Bytes, size: u64) -> Result<(), IngestError> {
        let key = log_key(self.prefix, &self.shared.station, file);
        match put_small_once(self.store, &key, bytes, self.retention).await {
            Ok(_) => Ok(()),
            Err(UploadError::ContentDiffers { .. }) => Err(IngestError::LogFork { size }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Refuses to go on with a log that is behind or beside what the bucket holds (design, section 6).
pub async fn check_bucket_log(
    shared: &Shared,
    store: &dyn Store,
    prefix: &str,
    key: &VerifierKey,
) -> Result<Option<Checkpoint>, IngestError> {
    let Some(note) = published_checkpoint(store, prefix, &shared.station).await? else {
        if blocking(|| shared.journal.number(PUBLISHED))?.is_some_and(|n| n > 0) {
            metrics::error("bucket_log_missing");
            tracing::error!(
                code = "bucket_log_missing",
                next_step = "find out who emptied the bucket, and run `camdock verify`: it names every item that is gone",
                "the bucket no longer holds this station's log; all of it is published again"
            );
            blocking(|| publish_again_from(shared, 0))?;
        }
        return Ok(None);
    };
    let note = String::from_utf8_lossy(&note);
    let theirs = key.open(&note).map_err(IngestError::LogForeign)?;
    match blocking(|| compare(shared.log.source(), &note, key))? {
        Standing::Behind { local, other } => {
            return Err(IngestError::LogBehind {
                local,
                bucket: other,
            });
        }
        Standing::Fork { size } => return Err(IngestError::LogFork { size }),
        Standing::Same | Standing::Ahead { .. } => {}
    }
    let published = blocking(|| shared.journal.number(PUBLISHED))?.unwrap_or(0);
    if theirs.size < published {
        metrics::error("bucket_log_older");
        tracing::error!(
            code = "bucket_log_older",
            bucket = theirs.size,
            published,
            next_step = "find out who put an old copy into the bucket, and run `camdock verify`; keep its output",
            "the bucket's copy of the log is older than what this station published; what is missing is published again"
        );
    }
    blocking(|| publish_again_from(shared, theirs.size))?;
    metrics::log_published(theirs.size);
    Ok(Some(theirs))
}

/// The bucket holds this much. What it held before is not forgotten: a shorter log must never be continued.
fn publish_again_from(shared: &Shared, size: u64) -> Result<(), JournalError> {
    let published = shared.journal.number(PUBLISHED)?;
    if published.is_some_and(|published| published > size) {
        let witnessed = shared.journal.number(WITNESSED)?.max(published);
        shared
            .journal
            .set_number(WITNESSED, witnessed.unwrap_or(0))?;
    }
    shared.journal.set_number(PUBLISHED, size)
}

/// The bucket's checkpoint; `None` when there is none. Keys that may not list the bucket are told that a missing object is
/// forbidden (AWS, Ceph): then the versions of that key are asked for, which is a right of its own.
async fn published_checkpoint(
    store: &dyn Store,
    prefix: &str,
    station: &StationName,
) -> Result<Option<Bytes>, UploadError> {
    let key = log_key(prefix, station, "checkpoint");
    match store.get(&key, CHECKPOINT_MAX).await {
        Err(forbidden @ UploadError::Forbidden { .. }) => match store.newest(&key).await {
            Ok(None) => Ok(None),
            _ => Err(forbidden),
        },
        answer => answer,
    }
}

/// Fetches the log into `dir`, which has none, once it is verified; returns its size. `witnessed`: receipts or locked
/// checkpoints in the bucket may name a log of this size, so that a shorter one must never be continued.
pub async fn fetch_log(
    store: &dyn Store,
    prefix: &str,
    station: &StationName,
    key: &VerifierKey,
    dir: &Path,
    witnessed: u64,
) -> Result<u64, IngestError> {
    let get = async |file: &str| -> Result<bytes::Bytes, IngestError> {
        let object = log_key(prefix, station, file);
        let bytes = store.get(&object, FILE_MAX).await?;
        bytes.ok_or_else(|| AuditError::Missing { key: object }.into())
    };
    let note = get("checkpoint").await?;
    let checkpoint = key
        .open(&String::from_utf8_lossy(&note))
        .map_err(IngestError::LogForeign)?;
    if checkpoint.size < witnessed {
        return Err(IngestError::LogLost {
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
        return Err(IngestError::LogCopyWrong(finding.to_string()));
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
