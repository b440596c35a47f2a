//! Restores a log folder that is gone although this station has published its log, before anything is opened.

use anyhow::Context as _;

use super::parts;
use crate::config::{Config, Secrets};
use crate::ingest::{PUBLISHED, WITNESSED};
use crate::journal::Journal;
use crate::publish::fetch_log;

/// Fetches the log from the bucket if it was lost here. A station without journal and log counts as new here; if the bucket
/// has its log, the comparison at the start finds that out.
pub async fn restore_if_lost(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
    let dir = config.files.log_dir();
    let kept = ["durable", "checkpoint", "tile"].map(|name| dir.join(name));
    let written = std::fs::metadata(dir.join("pending.wal")).is_ok_and(|wal| wal.len() > 0);
    if written || kept.iter().any(|path| path.exists()) {
        return Ok(());
    }
    let journal = config.files.journal();
    if !journal.exists() {
        return Ok(());
    }
    let (published, witnessed) = tokio::task::block_in_place(|| -> anyhow::Result<_> {
        let journal = Journal::open(&journal).context("cannot open the journal")?;
        Ok((journal.number(PUBLISHED)?, journal.number(WITNESSED)?))
    })?;
    if published.unwrap_or(0) == 0 && witnessed.is_none() {
        return Ok(());
    }
    tracing::error!(
        code = "log_folder_lost",
        folder = %dir.display(),
        next_step = "check the disk; the custody log is fetched from the bucket and verified now",
        "the custody log's folder is gone"
    );
    let key = parts::log_key(config, secrets)?.verifier(&config.station.log_origin)?;
    let store = parts::store(config, secrets)?;
    let entries = fetch_log(
        &store,
        &config.bucket_layout().log(""),
        &key,
        &dir,
        published.max(witnessed).unwrap_or(0),
    )
    .await
    .context("the custody log's folder is gone and cannot be fetched from the bucket")?;
    tracing::info!(
        entries,
        "the custody log was restored from the bucket and verified"
    );
    Ok(())
}
