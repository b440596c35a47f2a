//! Tries the store at the first start with it, so that what it lacks is known before footage depends on it.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::parts;
use crate::config::Config;
use crate::ingest::{IngestError, Shared};
use crate::model::Explain as _;
use crate::upload::{S3Store, Trial, try_store};

/// Names the store that was tried last and lacked nothing.
const TRIED: &str = "store_tried";

/// A store that does not answer is tried at the next start. One that does not lock or confirm gets no uploads: its client refuses.
pub async fn at_first_start(
    config: &Config,
    shared: &Shared,
    store: &S3Store,
    within: Duration,
) -> Result<(), IngestError> {
    let name = name_of(config);
    if tokio::task::block_in_place(|| shared.journal.number(TRIED))? == Some(name) {
        return Ok(());
    }
    let layout = config.bucket_layout();
    let trial = try_store(store, &layout, parts::lock_mode(config));
    let tried = match tokio::time::timeout(within, trial).await {
        Ok(Ok(tried)) => tried,
        Err(_) => {
            tracing::warn!(
                code = "store_timeout",
                next_step = "run `camdock check --store`, which takes its time",
                "the store could not be tried within {within:?}"
            );
            return Ok(());
        }
        Ok(Err(error)) => {
            tracing::warn!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the store could not be tried; it is tried at the next start"
            );
            return Ok(());
        }
    };
    let mut lacking = false;
    for one in tried {
        match one.trial {
            Trial::Lacking {
                code,
                why,
                next_step,
            } => {
                lacking = true;
                tracing::error!(
                    code,
                    what = one.what,
                    why,
                    next_step,
                    "the store lacks what evidence needs"
                );
            }
            Trial::Works(found) | Trial::Replaced(found) | Trial::NotTried(found) => {
                tracing::info!(what = one.what, found, "the store was tried");
            }
        }
    }
    if !lacking {
        tokio::task::block_in_place(|| shared.journal.set_number(TRIED, name))?;
    }
    Ok(())
}

/// Another store, bucket or folder is tried anew.
fn name_of(config: &Config) -> u64 {
    let mut hash = Sha256::new();
    for part in [
        config.store.endpoint.as_deref().unwrap_or_default(),
        &config.store.region,
        &config.store.bucket,
        &config.bucket_layout().probe(""),
    ] {
        hash.update(part);
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    // SQLite's integers are signed.
    u64::from_be_bytes(std::array::from_fn(|n| digest[n])) >> 1
}
