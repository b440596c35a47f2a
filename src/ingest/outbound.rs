//! From the spool to the store: the steps of one item. The work queue owns order, retry and back-off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::damage::{self, is_lost, may_pass};
use super::queue::{self, Failures, Queue, Retry, WorkId, WorkSource};
use super::recent_entries::RecentEntries;
use super::source::{JournalLedger, SpoolSource};
use super::{IngestError, Shared, blocking, chain, now};
use crate::audit::verify_receipt;
use crate::durable;
use crate::failpoint::reached;
use crate::journal::{ItemRow, StoreProgress, StoredFacts, StoredProof};
use crate::metrics;
use crate::model::{
    BucketLayout, Event, EvidenceId, Explain as _, ItemState, ItemStored, OutboundView, Part,
    Problem, Retention, RetryClass, UploadProgress,
};
use crate::seal::{MessageHeader, SealError};
use crate::upload::{Body, FirstLock, Pacer, PartMemory, Store, Upload, UploadError, put_locked};

/// More than any receipt has.
const RECEIPT_MAX: u64 = 1 << 16;
/// More than any `item-key` message has: a header is smaller than this.
const ITEM_KEY_MAX: u64 = 1 << 17;

/// Items whose objects are at most one part: many at once. Larger ones: few, each with several parts in flight.
const SMALL: u64 = 8 << 20;

/// Uploads by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadLane {
    Small,
    Large,
}

impl UploadLane {
    const fn at_once(self) -> usize {
        match self {
            Self::Small => 8,
            Self::Large => 2,
        }
    }

    fn of(row: &ItemRow) -> Self {
        let large = row.state != ItemState::Stored
            && row.sealed.as_ref().is_some_and(|s| s.sealed_size > SMALL);
        if large { Self::Large } else { Self::Small }
    }
}

pub struct Outbound {
    pub shared: Arc<Shared>,
    pub store: Arc<dyn Store>,
    pub layout: BucketLayout,
    /// `None`: nothing is locked.
    pub first_lock: Option<FirstLock>,
    pub pacer: Pacer,
    pub part_size: u64,
    pub parts_at_once: usize,
    pub memory: Arc<PartMemory>,
    /// The time that a stored item stays in the spool.
    pub keep: Duration,
    /// Recordings stay until their previews are made or given up.
    pub previews: bool,
    pub view: Mutex<OutboundView>,
    pub entries: RecentEntries,
}

impl WorkSource for Outbound {
    type Lane = UploadLane;

    const PAUSE: Duration = Duration::from_millis(500);

    const NAME: &'static str = "an upload";

    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn woken(&self) {
        self.shared.wake_upload.notified().await;
    }

    fn begin_due(
        self: &Arc<Self>,
        queue: &mut Queue<UploadLane>,
        cancel: &watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let full = |queue: &Queue<_>, lane: UploadLane| queue.running_in(lane) >= lane.at_once();
        if full(queue, UploadLane::Large) && full(queue, UploadLane::Small) {
            return Ok(());
        }
        let limit = queue.rows(64);
        let mut rows = blocking(|| self.to_settle(limit))?;
        rows.extend(blocking(|| self.shared.journal.to_upload(limit))?);
        for row in rows {
            let (work, lane) = (WorkId::original(row.id), UploadLane::of(&row));
            if !queue.is_free(work) || full(queue, lane) {
                continue;
            }
            let (this, cancel) = (Arc::clone(self), cancel.clone());
            queue.begin(work, lane, async move {
                let result = this.take_on(row, cancel).await;
                this.lock().at_work.remove(&work.evidence.to_string());
                result
            });
        }
        Ok(())
    }

    /// The store works again: no other item waits any longer.
    fn succeeded(&self, work: WorkId, failures: &mut Failures) {
        failures.hurry();
        let mut view = self.lock();
        view.problem = None;
        view.alarms.remove(&work.evidence.to_string());
        drop(view);
        self.shared.upload_done.notify_one();
    }

    fn failed(&self, work: WorkId, error: &IngestError, count: u32) -> Retry {
        let id = work.evidence;
        self.shared.make_log_room(error);
        if is_lost(error, count) {
            let Err(error) = blocking(|| self.give_up(id, error)) else {
                return Retry::Settled;
            };
            tracing::error!(evidence = %id, code = error.label(), error = &error as &dyn std::error::Error,
                next_step = error.next_step(), "a damaged item could not be given up; trying again");
            return Retry::Later { asked: None };
        }
        let never = error.retry_class() == RetryClass::Never && !may_pass(error);
        tracing::error!(evidence = %id, code = error.label(), failures = count, error = error as &dyn std::error::Error,
            next_step = error.next_step(), "an item could not be stored{}", if never { "" } else { "; trying again" });
        let problem = error.problem();
        let mut view = self.lock();
        if never {
            view.alarms.insert(id.to_string(), problem);
            return Retry::Never;
        }
        let since = view
            .problem
            .as_ref()
            .filter(|old| old.code == problem.code)
            .map_or(problem.since, |old| old.since);
        view.problem = Some(Problem { since, ..problem });
        let asked = match error {
            IngestError::Upload(error) => error.retry_after(),
            _ => None,
        };
        Retry::Later { asked }
    }
}

impl Outbound {
    /// Uploads what waits until `cancel` says stop. Dropping it loses nothing: the next start resumes.
    pub async fn run(self: Arc<Self>, cancel: watch::Receiver<bool>) {
        match blocking(|| self.shared.journal.damaged()) {
            Ok(rows) => {
                for row in &rows {
                    let alarm = damage::alarm(row);
                    tracing::error!(code = alarm.code, evidence = %row.id, reason = alarm.reason, next_step = alarm.next_step,
                        "a recording is still to be taken again");
                    self.lock().alarms.insert(row.id.to_string(), alarm);
                }
            }
            Err(error) => {
                tracing::error!(code = error.label(), %error, next_step = error.next_step(), "cannot look for damaged items");
            }
        }
        queue::run(self, cancel).await;
    }

    /// Stored items that have something left to be done now.
    pub fn to_settle(&self, limit: u32) -> Result<Vec<ItemRow>, IngestError> {
        let kept_since = now().checked_sub(self.keep).unwrap_or(Timestamp::MIN);
        Ok(self
            .shared
            .journal
            .to_settle(self.previews, kept_since, limit)?)
    }

    /// Names a lost item in the log and lets its camera's job take it again.
    fn give_up(&self, id: EvidenceId, error: &IngestError) -> Result<(), IngestError> {
        let shared = &*self.shared;
        let Some(row) = shared.journal.item(id)? else {
            return Ok(());
        };
        shared.lose(&row, damage::DAMAGED, chain(error))?;
        let key = self.layout.object(id, Part::Original);
        shared.journal.forget_upload(&key)?;
        self.lock()
            .alarms
            .insert(id.to_string(), damage::alarm(&row));
        Ok(())
    }

    /// A recording that was damaged on this station has been taken again and is stored.
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
        let (id, shared) = (row.id, &*self.shared);
        let object = |name: &str| self.layout.object(id, name);
        let proof = match &row.storing {
            StoreProgress::Unconfirmed => {
                let stored = self.store(&row, cancel).await?;
                Some(self.log_stored(&row, stored).await?)
            }
            StoreProgress::Confirmed(stored) => Some(self.log_stored(&row, stored.clone()).await?),
            StoreProgress::Logged(proof) => Some(proof.clone()),
            StoreProgress::Receipted { .. } => None,
        };
        if let Some(proof) = proof {
            self.put_receipt(&row, &object("receipt"), proof).await?;
            blocking(|| {
                shared
                    .journal
                    .forget_upload(&object(Part::Original.as_str()))
            })?;
            blocking(|| shared.journal.mark_receipted(id))?;
        }
        let due = matches!(row.storing, StoreProgress::Receipted { .. });
        let free = || !self.previews || matches!(shared.journal.previews_settled(id), Ok(true));
        if due || self.keep.is_zero() && blocking(free) {
            // The key is erased first: a spool file without its key reveals nothing.
            blocking(|| shared.journal.mark_released(id))?;
            reached!("released: key erased");
            blocking(|| durable::remove(&shared.spool.sealed(id)))?;
        }
        Ok(())
    }

    /// Puts the `item.stored` entry into the log; its proof is durable in the journal when this returns.
    async fn log_stored(
        &self,
        row: &ItemRow,
        stored: StoredFacts,
    ) -> Result<StoredProof, IngestError> {
        let shared = &*self.shared;
        let StoredFacts { at, entry } = stored;
        let index = self.entries.append(&shared.log, &entry).await?;
        reached!("stored: logged");
        let receipt = blocking(|| shared.log.proof(index))?.into_bytes();
        let proof = StoredProof { index, at, receipt };
        // The receipt's checkpoint is of at most this size.
        let log_size = shared.log_size();
        reached!("stored: proved");
        blocking(|| shared.journal.mark_stored(row.id, &proof, log_size))?;
        self.entries.noted(&entry);
        metrics::file("stored", row.facts.size);
        blocking(|| self.replaced(row))?;
        if let Some(docked) = blocking(|| shared.journal.all_stored_since(row.session))? {
            metrics::stored_after(now().duration_since(docked).as_secs_f64().max(0.0));
        }
        Ok(proof)
    }

    /// A receipt that is there already, because the journal forgot it in a power cut or a restore, proves the same entry from
    /// another size of the log: it is as good as ours.
    async fn put_receipt(
        &self,
        row: &ItemRow,
        key: &str,
        proof: StoredProof,
    ) -> Result<(), IngestError> {
        let StoredProof { index, receipt, .. } = proof;
        let lock = blocking(|| self.lock_of(row))?;
        let put = put_locked(&*self.store, key, Body::new(receipt), lock).await;
        let differs = match put {
            // A store that names no SHA-256 says only that it is not ours.
            Err(
                error @ (UploadError::ContentDiffers { .. } | UploadError::ConflictUnknown { .. }),
            ) => error,
            other => return other.map(drop).map_err(Into::into),
        };
        let log = &self.shared.log;
        let Ok(there) = self.store.get(key, RECEIPT_MAX).await else {
            return Err(differs.into());
        };
        let there = there.unwrap_or_default();
        let entry = blocking(|| log.entry(index))?;
        match verify_receipt(&String::from_utf8_lossy(&there), &entry, log.verifier()) {
            Ok((found, _)) if found == index => Ok(()),
            _ => Err(differs.into()),
        }
    }

    /// A message that was lost with the journal is made again from the item's key.
    async fn put_item_key(
        &self,
        row: &ItemRow,
        message: &[u8],
        lock: Option<Retention>,
    ) -> Result<(), IngestError> {
        let (shared, remade) = (&*self.shared, message.is_empty());
        let message = if remade {
            let camera = row.camera.as_ref().map_or("unknown", |c| c.as_str());
            let station = shared.station.as_str();
            (shared.item_key(row)?).seal_to(&shared.recipients, row.id, station, camera)?
        } else {
            message.to_vec()
        };
        let key = self.layout.object(row.id, Part::ItemKey.as_str());
        let put = put_locked(&*self.store, &key, Body::new(message), lock).await;
        let differs = match put {
            Err(
                error @ (UploadError::ContentDiffers { .. } | UploadError::ConflictUnknown { .. }),
            ) if remade => error,
            other => return other.map(drop).map_err(Into::into),
        };
        // The lost message may be there. Nobody but a recipient can compare what it holds.
        let Ok(there) = self.store.get(&key, ITEM_KEY_MAX).await else {
            return Err(differs.into());
        };
        let there = there.unwrap_or_default();
        let of_item = MessageHeader::read(&mut &there[..])
            .and_then(|(header, ..)| header.expect(row.id, Part::ItemKey));
        if of_item.is_err() {
            return Err(differs.into());
        }
        tracing::warn!(code = "item_key_kept", evidence = %row.id, path = %row.facts.path,
            next_step = "run `camdock verify --deep` with a recipient's key, which shows whether it opens the footage",
            "an item-key was in the store before the journal was rebuilt; its header names this item, so it is kept");
        Ok(())
    }

    /// Metadata first, then the sealed original; the `item.stored` entry is durable in the journal when this returns.
    async fn store(
        &self,
        row: &ItemRow,
        cancel: watch::Receiver<bool>,
    ) -> Result<StoredFacts, IngestError> {
        let shared = &*self.shared;
        let object = |name: &str| self.layout.object(row.id, name);
        let Some(sealed) = &row.sealed else {
            return Err(SealError::Format("the journal has no seal of it").into());
        };
        let progress = UploadProgress {
            file: row.facts.path.to_string(),
            bytes_done: 0,
            bytes_total: sealed.sealed_size,
        };
        self.lock().at_work.insert(row.id.to_string(), progress);
        let lock = blocking(|| self.lock_of(row))?;
        let manifest = Body::new(Bytes::from(sealed.manifest.clone()));
        put_locked(
            &*self.store,
            &object("manifest.json"),
            manifest,
            lock.clone(),
        )
        .await?;
        // The frames cannot be verified without the key.
        let unverified = row.wrapped_key.is_none();
        if !unverified {
            self.put_item_key(row, &sealed.item_key_message, lock.clone())
                .await?;
        }
        let key = object(Part::Original.as_str());
        let source = blocking(|| {
            let path = shared.spool.sealed(row.id);
            SpoolSource::open(shared, &path, row, Part::Original, sealed.sealed_size)
        })?;
        let progress = |bytes: u64| {
            if let Some(at_work) = self.lock().at_work.get_mut(&row.id.to_string()) {
                at_work.bytes_done = bytes;
            }
        };
        let upload = Upload {
            store: &*self.store,
            key: &key,
            retention: lock,
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
                confirmed_by: stored.confirmed_by,
                retention: stored.retention,
                unverified,
            }),
        )?;
        let facts = StoredFacts { at, entry };
        blocking(|| shared.journal.mark_confirmed(row.id, &facts))?;
        tracing::info!(evidence = %row.id, path = %row.facts.path, bytes = stored.size, confirmed_by = ?stored.confirmed_by, already_there = stored.already_there, "stored");
        Ok(facts)
    }

    pub fn snapshot(&self) -> OutboundView {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, OutboundView> {
        self.view.lock()
    }
}
