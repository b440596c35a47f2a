//! The custody log's way into the bucket, and the check at start that the bucket's copy and ours are one log.

use bytes::Bytes;

use super::{IngestError, Shared, blocking};
use crate::audit::{Checkpoint, Standing, VerifierKey, compare};
use crate::failpoint::{reached, step};
use crate::metrics;
use crate::model::StationName;
use crate::upload::{Body, Store};

/// How much of the log the bucket is known to hold.
pub const PUBLISHED: &str = "published";
const CHECKPOINT_MAX: u64 = 64 << 10;

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
