//! The commit order, for all cameras at once: spool files synced → journal says sealed → log entries durable under a signed
//! checkpoint → the bay may show it. What waits together is committed together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::control::pause;
use super::{IngestError, Shared};
use crate::durable::{self, BulkFile, DurableError};
use crate::failpoint::{reached, step};
use crate::journal::ItemRow;
use crate::metrics;
use crate::model::{EvidenceId, Explain as _, RetryClass};

/// Items of one commit at most: bounds memory and how long the first of them waits.
const BATCH: usize = 256;
/// From this many files on, one sync of the filesystem is cheaper than a sync of each.
const SYNC_ALL_FROM: usize = 8;

/// The longest wait for more to commit together, and how often it looks whether somebody is waiting.
const LINGER_MAX: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(2);

/// A sealed file, ready to be committed.
pub struct Sealed {
    pub item: ItemRow,
    pub file: BulkFile,
    /// An `item.quarantined` entry that belongs to it.
    pub quarantine: Option<Vec<u8>>,
    pub tally: Arc<Tally>,
}

/// How much of a job's work the committer still has in hand.
#[derive(Default)]
pub struct Tally {
    waiting: AtomicU64,
    failed: AtomicU64,
    /// The job stands still until its items are committed.
    hurried: AtomicBool,
    /// Commits what waits, where no thread does.
    #[cfg(test)]
    pub(super) pump: std::sync::OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Tally {
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Acquire)
    }

    /// Commits that were thrown away because a sync failed: those files are pulled again.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Acquire)
    }

    /// Waits until nothing of the job is in the committer's hands.
    pub fn settle(&self) {
        self.hurried.store(true, Ordering::Release);
        while self.waiting() > 0 {
            #[cfg(test)]
            if let Some(pump) = self.pump.get() {
                pump();
                continue;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.hurried.store(false, Ordering::Release);
    }
}

#[derive(Clone)]
pub struct Committer(mpsc::SyncSender<Sealed>);

impl Committer {
    /// Starts the committing thread; it ends when every `Committer` is dropped.
    pub fn channel() -> (Self, mpsc::Receiver<Sealed>) {
        let (sender, receiver) = mpsc::sync_channel(BATCH);
        (Self(sender), receiver)
    }

    /// Hands a sealed file over; blocks while the committer is busy with a full batch.
    pub fn commit(&self, sealed: Sealed) -> Result<(), IngestError> {
        sealed.tally.waiting.fetch_add(1, Ordering::AcqRel);
        self.0.send(sealed).map_err(|returned| {
            returned.0.tally.waiting.fetch_sub(1, Ordering::AcqRel);
            IngestError::CommitterGone
        })
    }
}

/// The committing thread.
pub fn run(shared: &Shared, sealed: &mpsc::Receiver<Sealed>) {
    let mut last = Duration::ZERO;
    while let Ok(first) = sealed.recv() {
        let batch = gather(first, sealed, (last * 4).min(LINGER_MAX));
        let began = Instant::now();
        commit(shared, batch);
        last = began.elapsed();
        metrics::committed_in(last.as_secs_f64());
    }
}

/// What is there, and what comes within a few times the last commit's duration: a flood of small files shares its syncs
/// and signatures. Nobody who waits for a commit waits for that.
fn gather(first: Sealed, sealed: &mpsc::Receiver<Sealed>, linger: Duration) -> Vec<Sealed> {
    let until = Instant::now() + linger;
    let mut batch = vec![first];
    while batch.len() < BATCH {
        let next = match sealed.try_recv() {
            Ok(next) => Ok(next),
            Err(_)
                if batch
                    .iter()
                    .any(|s| s.tally.hurried.load(Ordering::Acquire)) =>
            {
                break;
            }
            Err(_) if Instant::now() >= until => break,
            Err(_) => sealed.recv_timeout(LOOK),
        };
        match next {
            Ok(next) => batch.push(next),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    batch
}

pub(super) fn commit(shared: &Shared, batch: Vec<Sealed>) {
    let batch = match sync(shared, batch) {
        Ok(batch) => batch,
        Err((batch, error)) => return throw_away(shared, batch, &error),
    };
    let mut delay = Duration::from_millis(200);
    let mut progress = Progress::default();
    step!("commit: enter");
    loop {
        match enter(shared, &batch, &mut progress) {
            Ok(()) => break,
            // The spool files are durable: nothing is lost by trying again, and nothing was shown yet.
            Err(error) => {
                metrics::error(error.label());
                tracing::error!(
                    code = error.label(),
                    items = batch.len(),
                    error = &error as &dyn std::error::Error,
                    next_step = error.next_step(),
                    "cannot commit sealed items; trying again"
                );
                if shared.stopping() || error.retry_class() == RetryClass::Never {
                    break;
                }
                let mut left = delay;
                while !left.is_zero() && !shared.stopping() {
                    let look = left.min(Duration::from_millis(20));
                    pause(look);
                    left -= look;
                }
                delay = (delay * 2).min(Duration::from_secs(30));
            }
        }
    }
    for sealed in batch {
        metrics::file("sealed", sealed.item.facts.size);
        sealed.tally.waiting.fetch_sub(1, Ordering::AcqRel);
    }
    shared.wake_upload.notify_one();
}

type Failed = (Vec<Sealed>, DurableError);

/// Step 1: content, then names, durable.
fn sync(shared: &Shared, batch: Vec<Sealed>) -> Result<Vec<Sealed>, Failed> {
    let done = (|| {
        if batch.len() >= SYNC_ALL_FROM {
            durable::sync_filesystem(shared.spool.dir())?;
        } else {
            for sealed in &batch {
                sealed.file.sync()?;
            }
        }
        reached!("commit: contents synced");
        for sealed in &batch {
            durable::rename_unsynced(sealed.file.path(), &final_path(shared, sealed.item.id))?;
        }
        reached!("commit: renamed");
        durable::sync_dir(shared.spool.dir())
    })();
    match done {
        Ok(()) => Ok(batch),
        Err(error) => Err((batch, error)),
    }
}

fn final_path(shared: &Shared, id: EvidenceId) -> PathBuf {
    shared.spool.sealed(id)
}

/// After a failed sync nothing is assumed about the files: they go, and their sources are pulled again.
fn throw_away(shared: &Shared, batch: Vec<Sealed>, error: &DurableError) {
    metrics::error(error.label());
    tracing::error!(
        code = error.label(),
        items = batch.len(),
        error = error as &dyn std::error::Error,
        next_step = error.next_step(),
        "a spool file could not be made durable; it is thrown away and pulled again"
    );
    for sealed in batch {
        let id = sealed.item.id;
        for path in [shared.spool.partial(id), shared.spool.sealed(id)] {
            let _ = durable::remove(&path);
        }
        let _ = shared.journal.drop_pulling(id);
        sealed.tally.failed.fetch_add(1, Ordering::AcqRel);
        sealed.tally.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How far a commit came, so that a retry repeats no step that is durable.
#[derive(Default)]
struct Progress {
    sealed: bool,
    /// Index of the batch's first entry.
    first: Option<u64>,
}

/// Steps 2 and 3.
fn enter(shared: &Shared, batch: &[Sealed], progress: &mut Progress) -> Result<(), IngestError> {
    if !progress.sealed {
        let items: Vec<ItemRow> = batch.iter().map(|s| s.item.clone()).collect();
        shared.journal.mark_sealed(&items)?;
        progress.sealed = true;
    }
    let mut entries = Vec::with_capacity(batch.len());
    let mut own = Vec::with_capacity(batch.len());
    for sealed in batch {
        if let Some(facts) = &sealed.item.sealed {
            own.push((sealed.item.id, entries.len() as u64));
            entries.push(facts.manifest.clone());
        }
        entries.extend(sealed.quarantine.clone());
    }
    let first = match progress.first {
        Some(first) => first,
        None => *progress.first.insert(shared.append(entries)?),
    };
    reached!("commit: logged");
    let logged: Vec<(EvidenceId, u64)> = own.into_iter().map(|(id, at)| (id, first + at)).collect();
    shared.journal.mark_logged(&logged)?;
    metrics::log_size(shared.log_size());
    Ok(())
}
