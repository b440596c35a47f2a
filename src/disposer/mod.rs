//! The disposer: deletes what two people decided to delete, by rule, version by version.
//!
//! Keeps promise 12. It runs on a machine of its own, with the only credentials that can delete. It believes nothing but acts that lie
//! below a checkpoint that the office's key has signed, each at least a day old by its own time and by this machine's, and reads them
//! again at once before each deletion. It deletes nothing on a doubt: an answer that does not come lets nothing go.

mod deletion;
mod error;
mod item_acts;
mod office_log;
mod record;
mod texts;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{DisposerConfig, Secrets};
use crate::model::{BucketLayout, Explain as _, Sha256Digest, StationName};
use crate::sys;
use crate::upload::{S3Store, StoreConfig};

pub use error::DisposerError;

use item_acts::{Approved, Bounds, ItemName};
use office_log::OfficeLog;

/// Deletes until SIGTERM or Ctrl-C.
pub async fn run(config: DisposerConfig) -> anyhow::Result<()> {
    // A stop in the middle of the start is one in order, too.
    let (mut end, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let store = open_store(&config)?;
    let mut disposer = Disposer {
        log: OfficeLog::open(&config, &store)?,
        wait: wait_of(&config),
        store,
        config,
        runtime: Handle::current(),
        told: HashMap::new(),
        texts: BTreeMap::new(),
        notes: HashMap::new(),
        gone: HashMap::new(),
    };
    tracing::info!(office = %disposer.config.office, wait = ?disposer.wait, "the disposer follows the office's log");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let mut last = None;
    loop {
        let looked = tokio::task::block_in_place(|| disposer.look());
        let label = looked.as_ref().err().map(DisposerError::label);
        if let Err(error) = &looked
            && last != label
        {
            warn(error, "the disposer cannot go on; it deletes nothing");
        }
        last = label;
        tokio::select! {
            () = tokio::time::sleep(disposer.config.interval) => {},
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tracing::info!("the disposer has stopped");
    Ok(())
}

fn warn(error: &DisposerError, what: &str) {
    tracing::warn!(
        code = error.label(),
        error = error as &dyn std::error::Error,
        next_step = error.next_step(),
        "{what}"
    );
}

pub fn open_store(config: &DisposerConfig) -> anyhow::Result<S3Store> {
    let keys = Secrets::from_environment().store_of(&config.store)?;
    S3Store::new(&StoreConfig::of(&config.store, keys)).context("cannot set up the store's client")
}

/// How old an approval has to be. Tests cannot wait for a day; in a release build this says what the configuration does.
fn wait_of(config: &DisposerConfig) -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = crate::failpoint::number("CAMDOCK_TEST_DISPOSAL_WAIT") {
        return Duration::from_secs(seconds);
    }
    config.wait
}

/// The kernel's word on this machine's clock. A test's machine may have none that is synchronised.
fn clock_is_synchronised() -> bool {
    #[cfg(debug_assertions)]
    if let Some(said) = crate::failpoint::number("CAMDOCK_TEST_CLOCK_SYNCHRONISED") {
        return said == 1;
    }
    sys::clock_state().synchronised
}

struct Disposer {
    config: DisposerConfig,
    store: S3Store,
    log: OfficeLog,
    wait: Duration,
    runtime: Handle,
    /// Why each approved deletion was refused last, so that it is told once.
    told: HashMap<u64, &'static str>,
    /// Reasons of deleted items, and when each is looked at again; `None`: it is gone.
    texts: BTreeMap<Sha256Digest, Option<Timestamp>>,
    /// Items whose notes below `viewed/` went, or when they are looked at again.
    notes: HashMap<ItemName, Option<Timestamp>>,
    /// Whether an item is gone of which the office says so, by the act that approved it.
    gone: HashMap<u64, bool>,
}

impl Disposer {
    /// Reads what is new, and deletes what may go. Blocks.
    fn look(&mut self) -> Result<(), DisposerError> {
        let now = self.log.read_on()?;
        self.log.see_cosigned(&now)?;
        let approved: Vec<u64> = self.log.acts.approvals().collect();
        self.told.retain(|index, _| approved.contains(index));
        let mut last = Ok(());
        for index in approved {
            match self.dispose(index) {
                Ok(()) => {
                    self.told.remove(&index);
                }
                Err(error @ DisposerError::Refused { .. }) => {
                    let label = error.label();
                    if self.told.insert(index, label) != Some(label) {
                        warn(&error, "an item that was approved is not deleted");
                    }
                }
                // One item's trouble keeps no other from being deleted.
                Err(error) => last = Err(error),
            }
        }
        self.remove_texts().and(last)
    }

    /// What may go now by an act that approves; `None` if nothing is to go by it any more.
    fn may_go(&self, index: u64) -> Result<Option<Approved>, DisposerError> {
        let bounds = Bounds {
            now: Timestamp::now(),
            wait: SignedDuration::try_from(self.wait).unwrap_or(SignedDuration::MAX),
            clock_synchronised: clock_is_synchronised(),
            cosigned: self.log.cosigned,
        };
        let seen = self.log.record.seen.get(&index);
        let seen = seen.copied().unwrap_or(bounds.now);
        match self.log.acts.may_go(index, seen, &bounds) {
            None => Ok(None),
            Some(Ok(approved)) => Ok(Some(approved)),
            Some(Err((evidence, why))) => Err(DisposerError::Refused { evidence, why }),
        }
    }

    fn layout(&self, station: &StationName) -> BucketLayout {
        BucketLayout::new(self.config.store.prefix.clone(), station.clone())
    }
}
