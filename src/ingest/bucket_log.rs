//! The bucket's copy of the custody log: published, compared with ours at the start, and fetched back when ours is lost.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::{IngestError, Shared, blocking};
use crate::audit::{
    AuditError, Checkpoint, DirSource, Standing, VerifierKey, compare, log_files, verify_log,
};
use crate::durable::{self, DurableError};
use crate::failpoint::{reached, step};
use crate::metrics;
use crate::model::StationName;
use crate::upload::{Body, Store};

/// How much of the log the bucket is known to hold.
pub const PUBLISHED: &str = "published";
const CHECKPOINT_MAX: u64 = 64 << 10;
/// Longer than any file of a log.
const FILE_MAX: u64 = 32 << 20;

pub fn log_key(prefix: &str, station: &StationName, file: &str) -> String {
    format!("{prefix}log/{station}/{file}")
}

/// Puts what is new into the bucket, the checkpoint last; returns the size that is published now.
pub async fn publish_log(
    shared: &Shared,
    store: &dyn Store,
    prefix: &str,
) -> Result<u64, IngestError> {
    let published = blocking(|| shared.journal.number(PUBLISHED))?.unwrap_or(0);
    let (checkpoint, note, files) = shared.log.files_since(published);
    if checkpoint.size <= published {
        return Ok(published);
    }
    step!("publish");
    for file in files {
        let Some(bytes) = blocking(|| shared.log.read(&file))? else {
            // A partial tile that a newer one has replaced meanwhile: the next round has it.
            return Ok(published);
        };
        store
            .put(&log_key(prefix, &shared.station, &file), Body::new(bytes))
            .await?;
    }
    reached!("publish: tiles");
    store
        .put(
            &log_key(prefix, &shared.station, "checkpoint"),
            Body::new(Bytes::from(note)),
        )
        .await?;
    blocking(|| shared.journal.set_number(PUBLISHED, checkpoint.size))?;
    metrics::log_published(checkpoint.size);
    Ok(checkpoint.size)
}

/// Refuses to go on with a log that is behind or beside what the bucket holds (design, section 6).
pub async fn check_bucket_log(
    shared: &Shared,
    store: &dyn Store,
    prefix: &str,
    key: &VerifierKey,
) -> Result<Option<Checkpoint>, IngestError> {
    let Some(note) = store
        .get(
            &log_key(prefix, &shared.station, "checkpoint"),
            CHECKPOINT_MAX,
        )
        .await?
    else {
        if blocking(|| shared.journal.number(PUBLISHED))?.is_some_and(|n| n > 0) {
            metrics::error("bucket_log_missing");
            tracing::error!(
                code = "bucket_log_missing",
                next_step = "find out who emptied the bucket, and run `camdock verify`: it names every item that is gone",
                "the bucket no longer holds this station's log; all of it is published again"
            );
            blocking(|| shared.journal.set_number(PUBLISHED, 0))?;
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
    blocking(|| shared.journal.set_number(PUBLISHED, theirs.size))?;
    metrics::log_published(theirs.size);
    Ok(Some(theirs))
}

/// Fetches the log into `dir`, which has none, once it is verified; returns its size. `witnessed`: receipts may name a log of
/// this size, so that a shorter one must never be continued.
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
