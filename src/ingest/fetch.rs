//! A lost log folder put back from the bucket's copy, once that copy is verified and known to be whole.

use std::fs;
use std::path::Path;

use super::IngestError;
use super::publish::log_key;
use crate::audit::{AuditError, DirSource, VerifierKey, log_files, verify_log};
use crate::durable::{self, DurableError};
use crate::model::StationName;
use crate::upload::Store;

/// Longer than any file of a log.
const FILE_MAX: u64 = 32 << 20;

/// Fetches the log into `dir`, which has none; returns its entries. `witnessed`: a receipt may name a log of this size, so
/// that a shorter one can never be gone on from.
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
