//! From the spool to the store: one loop owns order, retry and back-off; each item's steps try once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::damaged::{self, is_lost, may_pass};
use super::entered::Entered;
use super::looked::Looked;
use super::source::{JournalLedger, SpoolSource};
use super::{IngestError, Shared, now};
use crate::audit::verify_receipt;
use crate::durable;
use crate::failpoint::reached;
use crate::journal::{ItemRow, StoredFacts};
use crate::metrics;
use crate::model::{
    Event, EvidenceId, Explain as _, ItemState, ItemStored, OutboundView, Part, Problem, RetryClass,
};
use crate::seal::SealError;
use crate::upload::{
    Backoff, Pacer, PartMemory, RetentionPolicy, Store, Upload, UploadError, put_small_once,
};

/// More than any receipt has.
const RECEIPT_MAX: u64 = 1 << 16;

/// Items whose objects are at most one part: many at once. Larger ones: few, each with several parts in flight.
const SMALL: u64 = 8 << 20;
const SMALL_AT_ONCE: usize = 8;
const LARGE_AT_ONCE: usize = 2;

pub struct Outbound {
    pub shared: Arc<Shared>,
    pub store: Arc<dyn Store>,
    /// Of all keys.
    pub prefix: String,
    pub retention: Option<RetentionPolicy>,
    pub pacer: Pacer,
    pub part_size: u64,
    pub parts_at_once: usize,
    pub memory: Arc<PartMemory>,
    /// How long a stored item stays in the spool.
    pub keep: Duration,
    /// Recordings stay until their previews are made or given up.
    pub previews: bool,
    pub view: Mutex<OutboundView>,
    pub entered: Entered,
}

/// The loop's memory of one item that failed.
pub(super) struct Failure {
    count: u32,
    again: Instant,
    never: bool,
}

impl Outbound {
    /// Uploads what waits until `cancel` says stop. Nothing is lost by dropping it: the next start resumes.
    pub async fn run(self: Arc<Self>, mut cancel: watch::Receiver<bool>) {
        let mut tasks: JoinSet<(EvidenceId, Result<(), IngestError>)> = JoinSet::new();
        let mut busy: HashMap<EvidenceId, bool> = HashMap::new();
        let mut failures: HashMap<EvidenceId, Failure> = HashMap::new();
        let backoff = Backoff::default();
        match blocking(|| self.shared.journal.damaged()) {
            Ok(rows) => {
                for row in &rows {
                    let alarm = damaged::alarm(row);
                    tracing::error!(code = alarm.code, evidence = %row.id, reason = alarm.reason, next_step = alarm.next_step,
                        "a recording is still to be taken again");
                    self.lock().alarms.insert(row.id.to_string(), alarm);
                }
            }
            Err(error) => {
                tracing::error!(code = error.label(), %error, next_step = error.next_step(), "cannot look for damaged items");
            }
        }
        let mut looked = Looked::default();
        while !*cancel.borrow() {
            let active = !busy.is_empty() || failures.values().any(|f| !f.never);
            if looked.due(blocking(|| self.shared.journal.changes()), active)
                && let Err(error) = self.start_some(&mut tasks, &mut busy, &failures, &cancel)
            {
                tracing::error!(
                    code = error.label(),
                    error = &error as &dyn std::error::Error,
                    next_step = error.next_step(),
                    "cannot look for work in the journal"
                );
                looked = Looked::default();
            }
            tokio::select! {
                Some(done) = tasks.join_next(), if !tasks.is_empty() => match done {
                    Ok((id, result)) => {
                        busy.remove(&id);
                        self.settle(id, result, &mut failures, &backoff);
                    }
                    Err(error) => {
                        tracing::error!(code = "part_crashed", %error,
                            next_step = "nothing is lost, uploads begin again; report this with the log lines before it", "an upload ended badly");
                        busy.retain(|_, _| false);
                        tasks.abort_all();
                    }
                },
                () = self.shared.wake_upload.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                _ = cancel.changed() => {}
            }
        }
        // The uploads see the cancellation themselves and keep what they have.
        let stop = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(20), stop).await;
    }

    /// Stored items that have something left to be done now.
    pub fn to_settle(&self, limit: u32) -> Result<Vec<ItemRow>, IngestError> {
        let kept_since = now().checked_sub(self.keep).unwrap_or(Timestamp::MIN);
        Ok(self
            .shared
            .journal
            .to_settle(self.previews, kept_since, limit)?)
    }

    fn start_some(
        self: &Arc<Self>,
        tasks: &mut JoinSet<(EvidenceId, Result<(), IngestError>)>,
        busy: &mut HashMap<EvidenceId, bool>,
        failures: &HashMap<EvidenceId, Failure>,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let full = |busy: &HashMap<_, bool>, large: bool| {
            busy.values().filter(|l| **l == large).count()
                >= if large { LARGE_AT_ONCE } else { SMALL_AT_ONCE }
        };
        if full(busy, true) && full(busy, false) {
            return Ok(());
        }
        let look = 64 + u32::try_from(busy.len() + failures.len()).unwrap_or(0);
        let mut rows = blocking(|| self.to_settle(look))?;
        rows.extend(blocking(|| self.shared.journal.to_upload(look))?);
        for row in rows {
            let large = row.state != ItemState::Stored
                && row.sealed.as_ref().is_some_and(|s| s.sealed_size > SMALL);
            let waits = failures
                .get(&row.id)
                .is_some_and(|f| f.never || f.again > Instant::now());
            if waits || busy.contains_key(&row.id) || full(busy, large) {
                continue;
            }
            busy.insert(row.id, large);
            let (this, cancel) = (Arc::clone(self), cancel.clone());
            tasks.spawn(async move {
                let id = row.id;
                let result = this.take_on(row, cancel).await;
                this.lock().at_work.remove(&id.to_string());
                (id, result)
            });
        }
        Ok(())
    }

    pub(super) fn settle(
        &self,
        id: EvidenceId,
        result: Result<(), IngestError>,
        failures: &mut HashMap<EvidenceId, Failure>,
        backoff: &Backoff,
    ) {
        let Err(error) = result else {
            failures.remove(&id);
            // The store works again: nobody waits for it any longer.
            for failure in failures.values_mut().filter(|f| !f.never) {
                failure.again = Instant::now();
            }
            let mut view = self.lock();
            view.problem = None;
            view.alarms.remove(&id.to_string());
            return;
        };
        if self.shared.stopping() {
            return;
        }
        metrics::error(error.label());
        let class = error.retry_class();
        let failure = failures.entry(id).or_insert(Failure {
            count: 0,
            again: Instant::now(),
            never: false,
        });
        failure.count += 1;
        if is_lost(&error, failure.count) {
            match blocking(|| self.give_up(id, &error)) {
                Ok(()) => {
                    failures.remove(&id);
                    return;
                }
                Err(error) => {
                    tracing::error!(evidence = %id, code = error.label(), error = &error as &dyn std::error::Error,
                        next_step = error.next_step(), "a damaged item could not be given up; trying again");
                }
            }
            failure.again = Instant::now() + backoff.delay(failure.count, 0, None);
            return;
        }
        failure.never = class == RetryClass::Never && !may_pass(&error);
        let asked = match &error {
            IngestError::Upload(e) => e.retry_after(),
            _ => None,
        };
        let random = id.as_bytes()[12..]
            .iter()
            .fold(0u32, |n, b| n << 8 | u32::from(*b));
        let delay = backoff.delay(failure.count, random.rotate_left(failure.count), asked);
        failure.again = Instant::now() + delay;
        let problem = Problem {
            code: error.label().to_owned(),
            reason: chain(&error),
            next_step: error.next_step(),
            since: now(),
            needs_person: class != RetryClass::Later,
        };
        tracing::error!(evidence = %id, code = error.label(), failures = failure.count, error = &error as &dyn std::error::Error,
            next_step = error.next_step(), "an item could not be stored{}", if failure.never { "" } else { "; trying again" });
        let mut view = self.lock();
        if failure.never {
            view.alarms.insert(id.to_string(), problem);
        } else {
            let since = view
                .problem
                .as_ref()
                .filter(|old| old.code == problem.code)
                .map_or(problem.since, |old| old.since);
            view.problem = Some(Problem { since, ..problem });
        }
    }

    /// Names a lost item in the log and lets its camera's job take it anew.
    fn give_up(&self, id: EvidenceId, error: &IngestError) -> Result<(), IngestError> {
        let shared = &*self.shared;
        let Some(row) = shared.journal.item(id)? else {
            return Ok(());
        };
        shared.lose(&row, damaged::DAMAGED, chain(error))?;
        shared.journal.forget_upload(&format!(
            "{}evidence/{id}/{}",
            self.prefix,
            Part::Original
        ))?;
        self.lock()
            .alarms
            .insert(id.to_string(), damaged::alarm(&row));
        Ok(())
    }

    /// What was damaged on this station has been taken again and is stored.
    fn replaced(&self, row: &ItemRow) -> Result<(), IngestError> {
        for old in self.shared.journal.replaced_by(row)? {
            durable::remove(&self.shared.spool.damaged(old.id))?;
            self.lock().alarms.remove(&old.id.to_string());
        }
        Ok(())
    }

    /// All remaining steps of one item.
    pub(super) async fn take_on(
        &self,
        row: ItemRow,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let base = format!("{}evidence/{}/", self.prefix, row.id);
        let (id, shared) = (row.id, &*self.shared);
        let receipt = if row.state == ItemState::Stored {
            row.stored_index.zip(row.stored_entry.clone())
        } else {
            let entry = match row.stored_entry.clone() {
                Some(entry) => entry,
                None => self.store(&row, &base, cancel).await?,
            };
            let index = self.entered.append(&shared.log, &entry).await?;
            reached!("stored: logged");
            let receipt = blocking(|| shared.log.proof(index))?.into_bytes();
            // The receipt's checkpoint is at most this large.
            let size = shared.log_size();
            reached!("stored: proved");
            blocking(|| shared.journal.mark_stored(id, index, (&receipt, size)))?;
            self.entered.noted(&entry);
            metrics::file("stored", row.facts.size);
            blocking(|| self.replaced(&row))?;
            if let Some(docked) = blocking(|| shared.journal.all_stored_since(row.session))? {
                metrics::stored_after(now().duration_since(docked).as_secs_f64().max(0.0));
            }
            Some((index, receipt))
        };
        if let Some((index, receipt)) = receipt {
            self.put_receipt(&format!("{base}receipt"), index, receipt)
                .await?;
            blocking(|| shared.journal.forget_upload(&format!("{base}original")))?;
            blocking(|| shared.journal.mark_receipted(id))?;
        }
        let due = row.state == ItemState::Stored && row.stored_entry.is_none();
        let free = || !self.previews || matches!(shared.journal.previews_settled(id), Ok(true));
        if due || self.keep.is_zero() && blocking(free) {
            // The key first: a spool file without its key reveals nothing.
            blocking(|| shared.journal.mark_released(id))?;
            reached!("released: key erased");
            blocking(|| durable::remove(&shared.spool.sealed(id)))?;
        }
        Ok(())
    }

    /// A receipt written before the journal lost sight of it (a power cut, a restored journal) proves the same entry
    /// from another size of the log: as good as ours.
    async fn put_receipt(
        &self,
        key: &str,
        index: u64,
        receipt: Vec<u8>,
    ) -> Result<(), IngestError> {
        let put = put_small_once(&*self.store, key, Bytes::from(receipt), self.retention).await;
        let Err(differs @ UploadError::ContentDiffers { .. }) = put else {
            put?;
            return Ok(());
        };
        let log = &self.shared.log;
        let there = self.store.get(key, RECEIPT_MAX).await?.unwrap_or_default();
        let entry = blocking(|| log.entry(index))?;
        match verify_receipt(&String::from_utf8_lossy(&there), &entry, log.verifier()) {
            Ok((found, _)) if found == index => Ok(()),
            _ => Err(differs.into()),
        }
    }

    /// Metadata first, then the sealed original; returns the `item.stored` entry, durable in the journal.
    async fn store(
        &self,
        row: &ItemRow,
        base: &str,
        cancel: watch::Receiver<bool>,
    ) -> Result<Vec<u8>, IngestError> {
        let shared = &*self.shared;
        let Some(sealed) = &row.sealed else {
            return Err(SealError::Format("the journal has no seal of it").into());
        };
        let name = row.facts.path.to_string();
        self.lock()
            .at_work
            .insert(row.id.to_string(), (name, 0, sealed.sealed_size));
        let manifest = Bytes::from(sealed.manifest.clone());
        put_small_once(
            &*self.store,
            &format!("{base}manifest.json"),
            manifest,
            self.retention,
        )
        .await?;
        // Gone with a lost journal, as the key itself.
        let unverified = row.wrapped_key.is_none();
        if !unverified {
            let item_key = Bytes::from(sealed.item_key_message.clone());
            put_small_once(
                &*self.store,
                &format!("{base}item-key"),
                item_key,
                self.retention,
            )
            .await?;
        }
        let key = format!("{base}{}", Part::Original);
        let source = blocking(|| {
            let path = shared.spool.sealed(row.id);
            SpoolSource::open(shared, &path, row, Part::Original, sealed.sealed_size)
        })?;
        let progress = |bytes: u64| {
            if let Some(at_work) = self.lock().at_work.get_mut(&row.id.to_string()) {
                at_work.1 = bytes;
            }
        };
        let upload = Upload {
            store: &*self.store,
            key: &key,
            retention: self.retention,
            pacer: &self.pacer,
            part_size: self.part_size,
            parts_at_once: self.parts_at_once,
            memory: &self.memory,
            progress: &progress,
            cancel,
        };
        let stored = upload
            .run(Box::new(source), &mut JournalLedger { shared, key: &key })
            .await?;
        reached!("stored: confirmed");
        let at = now();
        let entry = shared.encode(
            Some(row.session),
            Event::ItemStored(ItemStored {
                evidence: row.id,
                bucket: self.store.bucket().to_owned(),
                key: stored.key,
                version_id: stored.version_id,
                size: stored.size,
                part_size: stored.part_size,
                checksum: stored.checksum,
                retention: stored.retention,
                unverified,
            }),
        )?;
        blocking(|| {
            shared.journal.mark_storing(&StoredFacts {
                id: row.id,
                entry: entry.clone(),
                at,
            })
        })?;
        tracing::info!(evidence = %row.id, path = %row.facts.path, bytes = stored.size, already_there = stored.already_there, "stored");
        Ok(entry)
    }

    pub fn snapshot(&self) -> OutboundView {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, OutboundView> {
        self.view.lock()
    }
}

/// Short disk work within an async task: lets the other tasks of this thread go elsewhere.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
