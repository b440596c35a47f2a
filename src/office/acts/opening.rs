//! Opens the office's log: takes it back from the bucket if it is gone here, compares both copies, and reads what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Acts;
use super::history::ActsHistory;
use super::text::Texts;
use crate::audit::{LogHandle, LogKey, VerifierKey};
use crate::config::{OfficeConfig, Secrets};
use crate::durable;
use crate::model::{Entry, Explain as _};
use crate::office::OfficeError;
use crate::publish::{ANCHORS, LogCopy, PublishError, PublishedMark, Publisher, fetch_log};
use crate::upload::{RetentionPolicy, Store, list_all};

/// A store that does not answer within this time does not hold up an office that has its log.
const BUCKET_WITHIN: Duration = Duration::from_secs(15);
const ANCHORS_MAX: usize = 10_000_000;

fn log_key(config: &OfficeConfig) -> anyhow::Result<LogKey> {
    let pkcs8 = Secrets::from_environment().office_log_key(config)?;
    LogKey::from_pkcs8(&pkcs8).context("the key of the office's log cannot sign")
}

/// The key that others verify the office's log with.
pub fn log_verifier(config: &OfficeConfig) -> anyhow::Result<VerifierKey> {
    Ok(log_key(config)?.verifier(&config.log_origin())?)
}

/// Opens the log with everything that it says. What the publisher does not publish yet is kept here.
pub async fn open(
    config: &OfficeConfig,
    store: &Arc<dyn Store>,
) -> anyhow::Result<(Arc<Acts>, Publisher)> {
    let key = log_key(config)?;
    let verifier = key.verifier(&config.log_origin())?;
    let folder = config.bucket_layout().log("");
    let retention = RetentionPolicy::of(&config.store);
    durable::create_dir(&config.state_dir)?;
    take_back(config, &**store, &folder, &verifier).await?;
    let log = tokio::task::block_in_place(|| {
        LogHandle::open(&config.log_dir(), key, &config.log_origin())
    });
    let log = log.context("the office's log cannot be opened; is another office running here?")?;
    let (mark, published) = FileMark::open(config.published_mark());
    let mut publisher = Publisher::new(LogCopy {
        log: log.clone(),
        store: Arc::clone(store),
        folder: folder.clone(),
        retention,
        mark: Box::new(mark),
    });
    compare(&mut publisher).await?;
    let history = tokio::task::block_in_place(|| read(&log))?;
    let acts = Acts {
        office: config.name.clone(),
        log,
        texts: Texts {
            dir: config.state_dir.join("texts"),
            folder,
            store: Arc::clone(store),
            retention,
        },
        history: Mutex::new(history),
        published,
    };
    Ok((Arc::new(acts), publisher))
}

/// An office without its log never begins another one while the bucket has one of its name, or cannot be asked.
async fn take_back(
    config: &OfficeConfig,
    store: &dyn Store,
    folder: &str,
    key: &VerifierKey,
) -> anyhow::Result<()> {
    let dir = config.log_dir();
    let kept = ["durable", "checkpoint", "tile"].map(|name| dir.join(name));
    let written = fs::metadata(dir.join("pending.wal")).is_ok_and(|wal| wal.len() > 0);
    if written || kept.iter().any(|path| path.exists()) {
        return Ok(());
    }
    let anchors = format!("{folder}{ANCHORS}");
    let listed = list_all(store, &anchors, ANCHORS_MAX)
        .await
        .map_err(OfficeError::from)
        .context(
            "this office has no log here, and the bucket cannot be asked whether it has one",
        )?;
    let size = |key: &str| key.strip_prefix(&anchors)?.parse::<u64>().ok();
    let anchored = listed.iter().filter_map(|object| size(&object.key)).max();
    let there = store
        .head(&format!("{folder}checkpoint"), None)
        .await
        .map_err(OfficeError::from)?;
    if there.is_none() && anchored.is_none() {
        return Ok(());
    }
    tracing::error!(
        code = "log_folder_lost",
        folder = %dir.display(),
        next_step = "check the disk; the office's log is fetched from the bucket and verified now",
        "the office's log is not here, and the bucket has one of its name"
    );
    let published = kept_sizes(&config.published_mark()).1;
    let witnessed = published.max(anchored.unwrap_or(0));
    let entries = fetch_log(store, folder, key, &dir, witnessed)
        .await
        .context("the office's log is not here and cannot be fetched from the bucket")?;
    tracing::info!(
        entries,
        "the office's log is back from the bucket, and verified"
    );
    Ok(())
}

/// Two copies that contradict each other end the start; a store that cannot be asked does not.
async fn compare(publisher: &mut Publisher) -> anyhow::Result<()> {
    match tokio::time::timeout(BUCKET_WITHIN, publisher.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.is_contradiction() => {
            return Err(error).context("this office must not go on");
        }
        Ok(Err(error)) => tracing::warn!(
            code = error.label(),
            error = &error as &dyn std::error::Error,
            next_step = error.next_step(),
            "the store cannot be asked for its copy of the office's log"
        ),
        Err(_) => tracing::warn!(
            code = "store_timeout",
            next_step = "check the network and the store's endpoint; the store is asked again automatically",
            "the store does not answer; the office goes on with what it has"
        ),
    }
    Ok(())
}

/// Entries of kinds that this version does not know are left out.
fn read(log: &LogHandle) -> Result<ActsHistory, OfficeError> {
    let mut history = ActsHistory::default();
    let mut at = 0;
    loop {
        let entries = log.entries_from(at)?;
        if entries.is_empty() {
            return Ok(history);
        }
        for (index, bytes) in (at..).zip(&entries) {
            if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
                history.see(index, &entry);
            }
        }
        at += entries.len() as u64;
    }
}

/// In a file: the published size, and the largest that ever was, for those who wait for it.
struct FileMark {
    path: PathBuf,
    size: Mutex<u64>,
    largest: watch::Sender<u64>,
}

impl FileMark {
    fn open(path: PathBuf) -> (Self, watch::Receiver<u64>) {
        // Without it everything is published once more.
        let (size, largest) = kept_sizes(&path);
        let (largest, receiver) = watch::channel(largest.max(size));
        let mark = Self {
            path,
            size: Mutex::new(size),
            largest,
        };
        (mark, receiver)
    }
}

fn kept_sizes(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut sizes = text.lines().map(|line| line.parse().unwrap_or(0));
    (sizes.next().unwrap_or(0), sizes.next().unwrap_or(0))
}

impl PublishedMark for FileMark {
    fn get(&self) -> Result<Option<u64>, PublishError> {
        Ok(Some(*self.size.lock()))
    }

    fn set(&self, size: u64) -> Result<(), PublishError> {
        let mut known = self.size.lock();
        let largest = size.max(*self.largest.borrow());
        if *known != size {
            let text = format!("{size}\n{largest}\n");
            durable::write_atomic(&self.path, text.as_bytes())?;
            *known = size;
        }
        self.largest.send_if_modified(|known| {
            let grown = largest > *known;
            *known = largest;
            grown
        });
        Ok(())
    }

    fn publish_again_from(&self, size: u64) -> Result<(), PublishError> {
        self.set(size)
    }
}
