use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use crate::model::{Entry, Explain as _};

#[cfg(test)]
use super::memory::MemoryLog;
use super::source::{DirSource, LogSource as _};
use super::tiles::{Tile, tiles_between};
use super::{AuditError, Checkpoint, ENTRY_MAX, Log, LogKey, VerifierKey, encode_entry, receipt};

/// One sync and one signature cover at most about this much.
const GROUP_ENTRIES: usize = 4096;
const GROUP_BYTES: usize = 4 << 20;
/// While nothing else happens, files that a full disk kept back are written again at this interval.
const CATCH_UP: Duration = Duration::from_secs(5);

/// An entry that is durable in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub index: u64,
    /// The exact bytes of the log's leaf.
    pub bytes: Vec<u8>,
}

type AppendResult = Result<Vec<Committed>, AuditError>;
type AppendReply = Box<dyn FnOnce(AppendResult) + Send>;

enum LogRequest {
    Append(Vec<Vec<u8>>, AppendReply),
    Close,
}

/// A shared handle on the custody log. One thread commits all waiting entries as a group; cloning is cheap.
#[derive(Clone)]
pub struct LogHandle(Arc<LogShared>);

struct LogShared {
    requests: Sender<LogRequest>,
    thread: Mutex<Option<JoinHandle<Result<(), AuditError>>>>,
    latest: Arc<RwLock<(Checkpoint, String)>>,
    stopped: Arc<AtomicBool>,
    size: watch::Receiver<u64>,
    source: DirSource,
    verifier: VerifierKey,
    /// Takes the place of the folder and the thread.
    #[cfg(test)]
    memory: Option<MemoryLog>,
}

impl LogHandle {
    /// Opens the log (see [`Log::open`]) and starts its thread.
    pub fn open(dir: &Path, key: LogKey, origin: &str) -> Result<Self, AuditError> {
        let verifier = key.verifier(origin)?;
        let log = Log::open(dir, key, origin)?;
        let (requests, queue) = channel();
        let latest = (log.checkpoint().clone(), log.note().to_owned());
        let latest = Arc::new(RwLock::new(latest));
        let (size_to, size) = watch::channel(log.size());
        let source = log.source().clone();
        let stopped = Arc::<AtomicBool>::default();
        let writer = Writer {
            log,
            stopped: Arc::clone(&stopped),
            latest: Arc::clone(&latest),
            size: size_to,
        };
        let thread = std::thread::Builder::new()
            .name("custody-log".into())
            .spawn(move || writer.run(&queue))
            .map_err(AuditError::Thread)?;
        Ok(Self(Arc::new(LogShared {
            requests,
            thread: Mutex::new(Some(thread)),
            latest,
            stopped,
            size,
            source,
            verifier,
            #[cfg(test)]
            memory: None,
        })))
    }

    /// A log without a folder, see [`MemoryLog`].
    #[cfg(test)]
    pub fn in_memory(memory: MemoryLog, verifier: VerifierKey) -> Self {
        let checkpoint = Checkpoint {
            origin: verifier.name().to_owned(),
            size: memory.size(),
            root: crate::model::Sha256Digest([0; 32]),
        };
        Self(Arc::new(LogShared {
            requests: channel().0,
            thread: Mutex::new(None),
            latest: Arc::new(RwLock::new((checkpoint, String::new()))),
            stopped: Arc::default(),
            size: memory.watch(),
            source: DirSource::new("/nowhere"),
            verifier,
            memory: Some(memory),
        }))
    }

    /// Adds entries; completes once they are durable under a signed checkpoint.
    ///
    /// They follow each other in this order. Dropping the future does not take them back.
    pub async fn append(&self, entries: Vec<Entry>) -> AppendResult {
        self.append_encoded(encode_all(&entries)?).await
    }

    /// Like [`Self::append`], for entries that are encoded already.
    pub async fn append_encoded(&self, entries: Vec<Vec<u8>>) -> AppendResult {
        let (reply, answer) = oneshot::channel();
        let send = move |result| drop(reply.send(result));
        self.submit(entries, Box::new(send))?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }

    /// Like [`Self::append`], for threads without an executor.
    pub fn append_blocking(&self, entries: &[Entry]) -> AppendResult {
        self.append_encoded_blocking(encode_all(entries)?)
    }

    /// Like [`Self::append_encoded`], for threads without an executor.
    pub fn append_encoded_blocking(&self, entries: Vec<Vec<u8>>) -> AppendResult {
        let (reply, answer) = channel();
        let send = move |result| drop(reply.send(result));
        self.submit(entries, Box::new(send))?;
        answer.recv().unwrap_or(Err(AuditError::Closed))
    }

    fn submit(&self, entries: Vec<Vec<u8>>, reply: AppendReply) -> Result<(), AuditError> {
        // This is checked here so that other callers' entries do not fail with it.
        if let Some(long) = entries.iter().find(|e| e.len() > ENTRY_MAX) {
            return Err(AuditError::TooLarge { size: long.len() });
        }
        #[cfg(test)]
        if let Some(memory) = &self.0.memory {
            reply(memory.append(entries));
            return Ok(());
        }
        let sent = self.0.requests.send(LogRequest::Append(entries, reply));
        sent.map_err(|_| AuditError::Closed)
    }

    /// Checks that entries can still be added: an empty append goes through the same thread and the same checks.
    pub fn writable(&self) -> Result<(), AuditError> {
        self.append_encoded_blocking(Vec::new()).map(drop)
    }

    /// True once a failed write keeps the log from taking more entries; it then has to be opened again.
    pub fn stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// The newest checkpoint and its signed note.
    pub fn latest(&self) -> (Checkpoint, String) {
        let latest = self.0.latest.read();
        latest.clone()
    }

    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// The receipt of an entry under the newest checkpoint. Reads O(log n) files.
    pub fn proof(&self, index: u64) -> Result<String, AuditError> {
        #[cfg(test)]
        if let Some(memory) = &self.0.memory {
            return memory.proof(index);
        }
        let (checkpoint, note) = self.latest();
        receipt::receipt(&self.0.source, (&checkpoint, &note), index)
    }

    /// The bytes of one entry.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, AuditError> {
        #[cfg(test)]
        if let Some(memory) = &self.0.memory {
            return memory.entry(index);
        }
        receipt::entry_at(&self.0.source, self.latest().0.size, index)
    }

    /// Entries from `from` on, as many as lie in one file (256 at most); none when there are no more.
    pub fn entries_from(&self, from: u64) -> Result<Vec<Vec<u8>>, AuditError> {
        receipt::entries_from(&self.0.source, self.latest().0.size, from)
    }

    /// The newest checkpoint, its note, and the keys to publish before it for a reader who has everything up to `size`.
    pub fn files_since(&self, size: u64) -> (Checkpoint, String, Vec<String>) {
        let (checkpoint, note) = self.latest();
        let tiles = tiles_between(size, checkpoint.size);
        let keys = tiles.map(Tile::key).collect();
        (checkpoint, note, keys)
    }

    /// A public file of the log. Tiles of an older checkpoint can still be read while the log grows.
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        self.0.source.read(key)
    }

    /// The folder's files, for [`super::verify_log`].
    pub fn source(&self) -> &DirSource {
        &self.0.source
    }

    /// Follows the log's size, in entries.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.size.clone()
    }

    /// Commits the entries that wait, syncs everything and ends the thread. Blocks; later appends get `Closed`.
    pub fn close(&self) -> Result<(), AuditError> {
        let _ = self.0.requests.send(LogRequest::Close);
        self.0.join()
    }
}

impl LogShared {
    fn join(&self) -> Result<(), AuditError> {
        let mut thread = self.thread.lock();
        match thread.take() {
            Some(thread) => thread.join().unwrap_or(Err(AuditError::Closed)),
            None => Ok(()),
        }
    }
}

impl Drop for LogShared {
    fn drop(&mut self) {
        let _ = self.requests.send(LogRequest::Close);
        if let Err(error) = self.join() {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the custody log could not be closed cleanly"
            );
        }
    }
}

fn encode_all(entries: &[Entry]) -> Result<Vec<Vec<u8>>, AuditError> {
    entries.iter().map(encode_entry).collect()
}

struct Writer {
    log: Log,
    stopped: Arc<AtomicBool>,
    latest: Arc<RwLock<(Checkpoint, String)>>,
    size: watch::Sender<u64>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<LogRequest>) -> Result<(), AuditError> {
        let mut open = true;
        while open {
            let mut group = Vec::new();
            let (mut count, mut bytes) = (0, 0);
            let mut next = match queue.recv_timeout(CATCH_UP) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Disconnected) => Some(LogRequest::Close),
                Err(RecvTimeoutError::Timeout) => None,
            };
            while let Some(request) = next {
                match request {
                    LogRequest::Append(entries, reply) => {
                        count += entries.len();
                        bytes += entries.iter().map(Vec::len).sum::<usize>();
                        group.push((entries, reply));
                    }
                    LogRequest::Close => {
                        open = false;
                        break;
                    }
                }
                let room = count < GROUP_ENTRIES && bytes < GROUP_BYTES;
                next = room.then(|| queue.try_recv().ok()).flatten();
            }
            self.commit(group);
        }
        self.log.close()
    }

    fn commit(&mut self, group: Vec<(Vec<Vec<u8>>, AppendReply)>) {
        let (mut batch, mut shares) = (Vec::new(), Vec::new());
        for (entries, reply) in group {
            shares.push((entries.len(), reply));
            batch.extend(entries);
        }
        let appended = if batch.is_empty() {
            self.log.catch_up().map(|()| self.log.size())
        } else {
            self.log.append(&batch).map(|range| range.start)
        };
        self.stopped.store(self.log.poisoned, Ordering::Relaxed);
        self.publish();
        match appended {
            Ok(start) => {
                let mut committed = (start..)
                    .zip(batch)
                    .map(|(index, bytes)| Committed { index, bytes });
                for (count, reply) in shares {
                    reply(Ok(committed.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for (_, reply) in shares {
                    reply(Err(AuditError::Append(Arc::clone(&error))));
                }
            }
        }
    }

    /// Lets readers see the newest checkpoint whose files are all there.
    fn publish(&mut self) {
        let size = self.log.size();
        if !self.log.is_shown() || *self.size.borrow() == size {
            return;
        }
        let latest = (self.log.checkpoint().clone(), self.log.note().to_owned());
        *self.latest.write() = latest;
        self.size.send_replace(size);
    }
}
