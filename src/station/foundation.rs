//! The station's foundation: state folder, keys, log, journal and spool, recovered and compared with the bucket before
//! anything else may start.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use super::state_lock::{self, StateLock};
use super::{log_restore, parts, store_trial};
use crate::config::{Config, Secrets};
use crate::ingest::{CommitQueue, PUBLISHED, Recovered, Shared, WITNESSED, recover, run_committer};
use crate::model::{Event, Explain as _, StationStarted};
use crate::publish::{LogCopy, PublishError, PublishedMark, Publisher};
use crate::upload::Store;
use crate::witnessing::Witnesses;
use crate::{durable, metrics, sys};

/// A store that does not answer within this time does not hold up the start.
const BUCKET_WITHIN: Duration = Duration::from_secs(15);

/// Everything here outlives the tasks that use it.
pub struct Foundation {
    pub config: Config,
    pub secrets: Secrets,
    pub shared: Arc<Shared>,
    /// Commits sealed files; ends when [`Shared::commit`] is taken away.
    pub committer: JoinHandle<()>,
    /// Who cosigns the log; `None` where nobody does.
    pub witnesses: Option<Arc<Witnesses>>,
    /// Last, so that it is released last.
    _lock: StateLock,
}

impl Foundation {
    /// Opens, recovers, compares the log with the bucket's copy and logs the start, in this order.
    pub async fn open(config: Config) -> anyhow::Result<(Self, Publisher)> {
        let secrets = Secrets::from_environment();
        durable::create_dir(config.files.state_dir())?;
        durable::create_dir(config.files.runtime_dir())?;
        let lock = state_lock::lock(config.files.state_dir())?;
        log_restore::restore_if_lost(&config, &secrets).await?;
        let opened = tokio::task::block_in_place(|| parts::open(&config, &secrets))?;
        let shared = opened.shared;
        let committer = start_committer(&shared, opened.commits)?;
        let recovered = recover_state(&shared)?;
        let s3 = parts::store(&config, &secrets)?;
        let store: Arc<dyn Store> = Arc::new(s3.clone());
        let mut publisher = Publisher::new(LogCopy {
            log: shared.log.clone(),
            store,
            folder: config.bucket_layout().log(""),
            retention: parts::retention(&config),
            mark: Box::new(JournalMark(Arc::clone(&shared))),
        });
        if compare_with_bucket(&mut publisher).await? {
            store_trial::at_first_start(&config, &shared, &s3, BUCKET_WITHIN).await?;
        }
        let log_key = shared.log.verifier().to_string();
        tokio::task::block_in_place(|| log_start(&shared, log_key, recovered.in_flight))?;
        let foundation = Self {
            config,
            secrets,
            shared,
            committer,
            witnesses: opened.witnesses,
            _lock: lock,
        };
        Ok((foundation, publisher))
    }
}

/// The journal remembers how much of the log was published.
struct JournalMark(Arc<Shared>);

impl PublishedMark for JournalMark {
    fn get(&self) -> Result<Option<u64>, PublishError> {
        Ok(self.0.journal.number(PUBLISHED)?)
    }

    fn set(&self, size: u64) -> Result<(), PublishError> {
        Ok(self.0.journal.set_number(PUBLISHED, size)?)
    }

    fn publish_again_from(&self, size: u64) -> Result<(), PublishError> {
        let journal = &self.0.journal;
        let published = journal.number(PUBLISHED)?;
        if published.is_some_and(|published| published > size) {
            let witnessed = journal.number(WITNESSED)?.max(published);
            journal.set_number(WITNESSED, witnessed.unwrap_or(0))?;
        }
        self.set(size)
    }
}

fn start_committer(shared: &Arc<Shared>, commits: CommitQueue) -> anyhow::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let committer = std::thread::Builder::new()
        .name("committer".into())
        .spawn(move || run_committer(&shared, &commits))?;
    Ok(committer)
}

fn recover_state(shared: &Arc<Shared>) -> anyhow::Result<Recovered> {
    let recovered = tokio::task::block_in_place(|| recover(shared))
        .context("cannot recover from the last stop")?;
    tracing::info!(
        ?recovered,
        log_entries = shared.log_size(),
        "journal, spool and log are in line"
    );
    Ok(recovered)
}

/// Two copies that contradict each other end the start; a store that cannot be asked (`false`) does not.
async fn compare_with_bucket(publisher: &mut Publisher) -> anyhow::Result<bool> {
    match tokio::time::timeout(BUCKET_WITHIN, publisher.check()).await {
        Ok(Ok(())) => return Ok(true),
        Ok(Err(error)) if error.is_contradiction() => {
            return Err(error).context("this station must not continue");
        }
        Ok(Err(error)) => tracing::warn!(
            code = error.label(),
            error = &error as &dyn std::error::Error,
            next_step = error.next_step(),
            "the store cannot be asked for its copy of the log; footage is still taken"
        ),
        Err(_) => tracing::warn!(
            code = "store_timeout",
            next_step = "check the network and the store's endpoint; the store is asked again automatically",
            "the store does not answer; footage is still taken"
        ),
    }
    Ok(false)
}

fn log_start(shared: &Shared, log_key: String, recovered: u64) -> anyhow::Result<()> {
    let clock = sys::clock_state();
    metrics::clock(clock.synchronised);
    let recipients = shared.recipients.iter();
    let started = StationStarted {
        version: env!("CARGO_PKG_VERSION").into(),
        clock,
        log_size: shared.log_size(),
        log_key,
        recipients: recipients
            .map(crate::seal::Recipient::fingerprint)
            .collect(),
        recovered,
    };
    shared.log_event(None, Event::StationStarted(started))?;
    Ok(())
}
