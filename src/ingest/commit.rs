//! The commit order, for all cameras at once: spool files synced → journal says sealed → log entries durable under a signed
//! checkpoint → the bay may show it (promise 2). Files that wait at the same time are committed together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{IngestError, Shared};
use crate::durable::{self, BulkFile, DurableError};
use crate::failpoint::{reached, step};
use crate::journal::{ContentEnds, ItemRow, LoggedItem};
use crate::metrics;
use crate::model::{EvidenceId, Explain as _, RetryClass};

/// Items of one commit at most: this bounds memory and how long the first of them waits.
const BATCH: usize = 256;

/// The longest wait for more to commit together.
const LINGER_MAX: Duration = Duration::from_millis(100);

/// A sealed file, ready to be committed.
pub struct SealedFile {
    pub item: ItemRow,
    pub file: BulkFile,
    /// An `item.quarantined` entry that belongs to it.
    pub quarantine: Option<Vec<u8>>,
    pub ends: Option<ContentEnds>,
    pub tally: Arc<Tally>,
}

/// The part of a job's work that the committer still has in hand.
#[derive(Default)]
pub struct Tally {
    uncommitted: Mutex<u64>,
    /// Signalled when nothing is uncommitted any more.
    all_committed: Condvar,
    /// The job stands still until its files are committed.
    waited_for: AtomicBool,
}

impl Tally {
    pub fn uncommitted(&self) -> u64 {
        *self.uncommitted.lock()
    }

    fn add(&self) {
        *self.uncommitted.lock() += 1;
    }

    fn remove(&self) {
        let mut uncommitted = self.uncommitted.lock();
        *uncommitted -= 1;
        if *uncommitted == 0 {
            self.all_committed.notify_all();
        }
    }

    fn is_waited_for(&self) -> bool {
        self.waited_for.load(Ordering::Acquire)
    }
}

/// Where jobs hand over what they sealed.
pub trait Committer: Send + Sync {
    /// Takes a sealed file; blocks while a full batch is being committed.
    fn hand_over(&self, sealed: SealedFile) -> Result<(), IngestError>;

    /// A job waits for what it handed over.
    fn hurry(&self);
}

impl Shared {
    /// After a failure because of a full disk: gives log and journal the room that is set aside for them.
    pub(super) fn make_log_room(&self, error: &IngestError) {
        if error.disk_full()
            && let Err(error) = self.log_room.give_back()
        {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the room that is set aside for the log cannot be used"
            );
        }
    }

    fn committer(&self) -> Result<Arc<dyn Committer>, IngestError> {
        self.commit.lock().clone().ok_or(IngestError::CommitterGone)
    }

    pub(super) fn hand_over(&self, sealed: SealedFile) -> Result<(), IngestError> {
        let (committer, tally) = (self.committer()?, Arc::clone(&sealed.tally));
        tally.add();
        committer.hand_over(sealed).inspect_err(|_| tally.remove())
    }

    /// Waits until the committer has nothing of this job in hand any more.
    pub(super) fn wait_committed(&self, tally: &Tally) {
        tally.waited_for.store(true, Ordering::Release);
        if tally.uncommitted() > 0
            && let Ok(committer) = self.committer()
        {
            committer.hurry();
        }
        let mut uncommitted = tally.uncommitted.lock();
        tally.all_committed.wait_while(&mut uncommitted, |n| *n > 0);
        drop(uncommitted);
        tally.waited_for.store(false, Ordering::Release);
    }
}

enum Message {
    Commit(Box<SealedFile>),
    Hurry,
}

struct CommitSender(mpsc::SyncSender<Message>);

impl Committer for CommitSender {
    fn hand_over(&self, sealed: SealedFile) -> Result<(), IngestError> {
        let sent = self.0.send(Message::Commit(Box::new(sealed)));
        sent.map_err(|_| IngestError::CommitterGone)
    }

    fn hurry(&self) {
        // A thread whose channel is full does not wait for more.
        let _ = self.0.try_send(Message::Hurry);
    }
}

/// Sealed files that wait for the committing thread, which ends when every committer is dropped.
pub struct CommitQueue(mpsc::Receiver<Message>);

impl CommitQueue {
    pub fn channel() -> (Arc<dyn Committer>, Self) {
        let (sender, receiver) = mpsc::sync_channel(BATCH);
        (Arc::new(CommitSender(sender)), Self(receiver))
    }

    /// The first file of the next batch; `None` when no more will come.
    fn next(&self) -> Option<SealedFile> {
        loop {
            match self.0.recv().ok()? {
                Message::Commit(sealed) => return Some(*sealed),
                Message::Hurry => {}
            }
        }
    }

    /// A batch of what is there and what comes within a few times the last commit's duration, so that many small files share
    /// their syncs and signatures. A job that stands still never waits for more files of others.
    fn gather(&self, first: SealedFile, linger: Duration) -> Vec<SealedFile> {
        let until = Instant::now() + linger;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            let message = match self.0.try_recv() {
                Ok(message) => message,
                Err(_) if batch.iter().any(|s| s.tally.is_waited_for()) => break,
                Err(_) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match self.0.recv_timeout(left) {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
            };
            if let Message::Commit(sealed) = message {
                batch.push(*sealed);
            }
        }
        batch
    }
}

/// The committing thread.
pub fn run(shared: &Shared, queue: &CommitQueue) {
    let mut last = Duration::ZERO;
    while let Some(first) = queue.next() {
        let batch = queue.gather(first, (last * 4).min(LINGER_MAX));
        let began = Instant::now();
        commit(shared, batch);
        last = began.elapsed();
        metrics::committed_in(last.as_secs_f64());
    }
}

pub(super) fn commit(shared: &Shared, batch: Vec<SealedFile>) {
    let batch = match sync(shared, batch) {
        Ok(batch) => batch,
        Err((batch, error)) => return throw_away(shared, batch, &error),
    };
    let mut delay = Duration::from_millis(200);
    let mut progress = CommitProgress::default();
    step!("commit: enter");
    loop {
        match enter(shared, &batch, &mut progress) {
            Ok(()) => break,
            // The spool files are durable and nothing was shown yet: trying again loses nothing.
            Err(error) => {
                shared.make_log_room(&error);
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
                    let step = left.min(Duration::from_millis(20));
                    shared.pause(step);
                    left -= step;
                }
                delay = (delay * 2).min(Duration::from_secs(30));
            }
        }
    }
    for sealed in batch {
        metrics::file("sealed", sealed.item.facts.size);
        sealed.tally.remove();
    }
    shared.wake_upload.notify_one();
}

type Failed = (Vec<SealedFile>, DurableError);

/// Step 1: content, then names, durable.
fn sync(shared: &Shared, batch: Vec<SealedFile>) -> Result<Vec<SealedFile>, Failed> {
    let done = (|| {
        let files: Vec<&BulkFile> = batch.iter().map(|sealed| &sealed.file).collect();
        durable::sync_together(shared.spool.dir(), &files)?;
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

/// After a failed sync nothing is assumed about the files: they are removed, and their sources are pulled again.
fn throw_away(shared: &Shared, batch: Vec<SealedFile>, error: &DurableError) {
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
        sealed.tally.remove();
    }
}

/// The steps of a commit that are durable, so that a retry repeats none of them.
#[derive(Default)]
struct CommitProgress {
    sealed: bool,
    /// Index of the batch's first entry.
    first: Option<u64>,
}

/// Steps 2 and 3.
fn enter(
    shared: &Shared,
    batch: &[SealedFile],
    progress: &mut CommitProgress,
) -> Result<(), IngestError> {
    if !progress.sealed {
        let items: Vec<ItemRow> = batch.iter().map(|s| s.item.clone()).collect();
        let ends: Vec<_> = batch
            .iter()
            .filter_map(|s| Some((s.item.id, s.ends?)))
            .collect();
        shared.journal.note_ends(&ends)?;
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
    let logged: Vec<LoggedItem> = own
        .into_iter()
        .map(|(id, at)| LoggedItem {
            id,
            index: first + at,
        })
        .collect();
    shared.journal.mark_logged(&logged)?;
    metrics::log_size(shared.log_size());
    Ok(())
}
