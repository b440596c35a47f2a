use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::model::{Sha256Digest, composite_checksum};

use super::ledger::{DonePart, Ledger, Multipart};
use super::memory::{Lease, PartMemory, Read, read_part};
use super::plan::{PartPlan, plan_is_whole, plan_parts};
use super::settle::{Expected, Found};
use super::small::put_whole;
use super::store::{Completed, ListedPart, PartTag, Store, StoredObject};
use super::{BoxError, Pacer, RetentionPolicy, UploadError};

/// A sealed object on the station's disk. Blocking: called on a thread for blocking work.
pub trait PartSource: Send {
    /// Bytes; must not change.
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exactly `len` bytes from `offset`, their authentication tags checked, in `memory`. An error means that the spooled
    /// object is damaged: it is never sent and never tried again.
    fn read_range(&mut self, offset: u64, len: u64, memory: Lease) -> Result<Bytes, BoxError>;
}

/// One attempt to store one object; what an attempt got through is not sent again by the next one.
pub struct Upload<'a> {
    pub store: &'a dyn Store,
    pub key: &'a str,
    pub retention: Option<RetentionPolicy>,
    pub pacer: &'a Pacer,
    /// The least size of a part; the plan may need larger ones.
    pub part_size: u64,
    /// Parts of this object being read or sent at once. At least 1.
    pub parts_at_once: usize,
    /// For the parts of all uploads.
    pub memory: &'a Arc<PartMemory>,
    /// Told the bytes that the store has taken, resumed ones included. Must not block.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// True: stop soon, keeping what is done for the next attempt.
    pub cancel: watch::Receiver<bool>,
}

/// A multipart upload in hand.
struct Running {
    multipart: Multipart,
    plan: PartPlan,
    source: Box<dyn PartSource>,
    /// By part number; what the store holds of ours.
    done: BTreeMap<u32, DonePart>,
    /// ETags and checksums of parts that the store holds but that are not noted here: sent again only if they differ.
    listed: BTreeMap<u32, Vec<(String, Sha256Digest)>>,
}

/// How sending ended.
enum Sent {
    All,
    UploadGone,
}

impl Upload<'_> {
    /// Stores the object once, resuming what `ledger` knows of. Dropping the future is a kill: the next run resumes.
    pub async fn run(
        &self,
        source: Box<dyn PartSource>,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        let plan = plan_parts(source.len(), self.part_size)?;
        if *self.cancel.borrow() {
            return Err(self.cancelled());
        }
        match ledger.resume().map_err(UploadError::Ledger)? {
            None if !plan.is_multipart() => self.whole(source).await,
            None => {
                let multipart = self.begin(plan, ledger).await?;
                let running = Running {
                    multipart,
                    plan,
                    source,
                    done: BTreeMap::new(),
                    listed: BTreeMap::new(),
                };
                self.go_on(running, ledger).await
            }
            Some(resume) => {
                let Some(plan) = PartPlan::with_part_size(plan.size, resume.multipart.part_size)
                else {
                    return Err(self.give_up(&resume.multipart, ledger).await?);
                };
                let mut running = Running {
                    multipart: resume.multipart,
                    plan,
                    source,
                    done: resume
                        .parts
                        .into_iter()
                        .filter(|part| plan.range(part.number).is_some())
                        .map(|part| (part.number, part))
                        .collect(),
                    listed: BTreeMap::new(),
                };
                let upload_id = &running.multipart.upload_id;
                match self.store.list_parts(self.key, upload_id).await? {
                    Some(listed) => {
                        running.keep_only(listed);
                        self.go_on(running, ledger).await
                    }
                    None => self.upload_gone(running, ledger).await,
                }
            }
        }
    }

    async fn whole(&self, source: Box<dyn PartSource>) -> Result<StoredObject, UploadError> {
        let size = source.len();
        let (_, _, body) = self.join(self.read(source, 0, (0, size)).await)?;
        let mut cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = stop(&mut cancel) => return Err(self.cancelled()),
            () = self.pacer.take(size) => {}
        }
        let stored = put_whole(self.store, self.key, body?, self.retention).await?;
        (self.progress)(size);
        Ok(stored)
    }

    async fn begin(
        &self,
        plan: PartPlan,
        ledger: &mut dyn Ledger,
    ) -> Result<Multipart, UploadError> {
        self.forget_strays().await?;
        let retention = self.retention.map(|policy| policy.from(Timestamp::now()));
        let multipart = Multipart {
            upload_id: self
                .store
                .create_multipart(self.key, retention.as_ref())
                .await?,
            part_size: plan.part_size,
            retention,
        };
        ledger.begin(&multipart).map_err(UploadError::Ledger)?;
        Ok(multipart)
    }

    /// An upload that was begun right before a kill was never noted: its parts would stay in the store.
    async fn forget_strays(&self) -> Result<(), UploadError> {
        match self.store.uploads(self.key).await {
            Ok(strays) => {
                for upload_id in strays {
                    self.abort(&upload_id).await;
                }
                Ok(())
            }
            // Only tidiness: the bucket's lifecycle rule does it otherwise.
            Err(UploadError::Forbidden { .. } | UploadError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn go_on(
        &self,
        mut running: Running,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        match self.send(&mut running, ledger).await {
            Ok(Sent::All) => {}
            Ok(Sent::UploadGone) => return self.upload_gone(running, ledger).await,
            Err(error @ UploadError::SpoolDamaged { .. }) => {
                self.take_back(&running.multipart, ledger).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        plan_is_whole(&running.plan, running.done.len(), self.key)?;
        let expected = self.expected(&running);
        let upload_id = &running.multipart.upload_id;
        let parts = running.tags();
        match self
            .store
            .complete(self.key, upload_id, &parts, true)
            .await?
        {
            Completed::Done(put) => expected.confirm(self.store, put).await,
            Completed::KeyTaken => {
                let settled = expected.key_taken(self.store).await;
                // A conflict that an operator can clear keeps its upload; any other end of it does not need the parts.
                match &settled {
                    Ok(_) => self.abort(upload_id).await,
                    Err(UploadError::ContentDiffers { .. }) => {
                        self.take_back(&running.multipart, ledger).await?;
                    }
                    Err(_) => {}
                }
                settled
            }
            Completed::Conflict => {
                let found = expected.look(self.store).await?;
                self.take_back(&running.multipart, ledger).await?;
                match found {
                    Found::Ours(object) => Ok(object),
                    Found::Nothing | Found::Hidden(_) => Err(UploadError::Racing {
                        key: self.key.to_owned(),
                    }),
                }
            }
            Completed::NoSuchUpload => self.upload_gone(running, ledger).await,
            Completed::PartsDiffer => {
                self.take_back(&running.multipart, ledger).await?;
                Err(UploadError::Damaged {
                    action: "complete upload",
                    code: "the store holds other parts".into(),
                })
            }
        }
    }

    /// Reads, hashes and sends what is missing, side by side. After a failure the parts under way are still awaited,
    /// so that each attempt gets further.
    async fn send(
        &self,
        running: &mut Running,
        ledger: &mut dyn Ledger,
    ) -> Result<Sent, UploadError> {
        let plan = running.plan;
        let missing: Vec<u32> = (1..=plan.count)
            .filter(|number| !running.done.contains_key(number))
            .collect();
        let mut taken: u64 = running.done.keys().map(|&n| plan.length(n)).sum();
        (self.progress)(taken);

        let width = self.parts_at_once.max(1);
        let mut missing = missing.into_iter();
        let mut source = Some(std::mem::replace(&mut running.source, Box::new(Nowhere)));
        let mut reading: Option<JoinHandle<Read>> = None;
        let mut sending = FuturesUnordered::new();
        let mut cancel = self.cancel.clone();
        let mut gone = false;
        let mut failed: Option<UploadError> = None;
        loop {
            let room = sending.len() < width && failed.is_none() && !gone;
            if room && let Some(idle) = source.take() {
                // The source is here, so nothing is being read.
                match missing.next().and_then(|n| Some((n, plan.range(n)?))) {
                    Some((number, range)) => {
                        reading = Some(self.read(idle, number, range));
                    }
                    None => source = Some(idle),
                }
            }
            if reading.is_none() && sending.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = stop(&mut cancel) => return Err(self.cancelled()),
                Some(sent) = sending.next() => {
                    let (number, sha256, sent): (u32, Sha256Digest, Result<Option<String>, UploadError>) = sent;
                    match sent {
                        Ok(Some(etag)) => {
                            let part = DonePart { number, etag, sha256 };
                            ledger.part_done(&part).map_err(UploadError::Ledger)?;
                            taken += plan.length(number);
                            running.done.insert(number, part);
                            (self.progress)(taken);
                        }
                        Ok(None) => gone = true,
                        Err(error) => { failed.get_or_insert(error); }
                    }
                }
                Some(read) = joined(&mut reading) => {
                    reading = None;
                    let (idle, number, body) = self.join(read)?;
                    source = Some(idle);
                    let body = body?;
                    let held = running.held(number, body.sha256);
                    let upload_id = running.multipart.upload_id.clone();
                    sending.push(async move {
                        let sha256 = body.sha256;
                        let sent = if let Some(etag) = held { Ok(Some(etag)) } else {
                            self.pacer.take(body.bytes.len() as u64).await;
                            self.store.upload_part(self.key, &upload_id, number, body).await
                        };
                        (number, sha256, sent)
                    });
                }
            }
        }
        if let Some(source) = source {
            running.source = source;
        }
        match failed {
            _ if gone => Ok(Sent::UploadGone),
            Some(error) => Err(error),
            // Completing with fewer parts would store a torn object that the store finds fine.
            None if running.done.len() != plan.count as usize => Err(UploadError::UploadLost {
                key: self.key.to_owned(),
            }),
            None => Ok(Sent::All),
        }
    }

    /// The store does not know our upload: either it was finished and the reply got lost, or it is begun anew next time.
    async fn upload_gone(
        &self,
        mut running: Running,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        let noted = running.done.len() == running.plan.count as usize;
        let parts = running.tags();
        // The expected checksum needs every part's digest, also of those whose note got lost.
        self.hash_the_rest(&mut running).await?;
        let expected = self.expected(&running);
        let found = expected
            .upload_gone(
                self.store,
                &running.multipart.upload_id,
                noted.then_some(parts.as_slice()),
            )
            .await?;
        match found {
            Some(object) => {
                (self.progress)(object.size);
                Ok(object)
            }
            None => Err(self.give_up(&running.multipart, ledger).await?),
        }
    }

    async fn hash_the_rest(&self, running: &mut Running) -> Result<(), UploadError> {
        for number in 1..=running.plan.count {
            if running.done.contains_key(&number) {
                continue;
            }
            if *self.cancel.borrow() {
                return Err(self.cancelled());
            }
            let range = running.plan.range(number).unwrap_or((0, 0));
            let source = std::mem::replace(&mut running.source, Box::new(Nowhere));
            let (source, _, body) = self.join(self.read(source, number, range).await)?;
            running.source = source;
            let sha256 = body?.sha256;
            let etag = String::new();
            running.done.insert(
                number,
                DonePart {
                    number,
                    etag,
                    sha256,
                },
            );
        }
        Ok(())
    }

    fn expected(&self, running: &Running) -> Expected<'_> {
        let digests: Vec<_> = running.done.values().map(|part| part.sha256).collect();
        Expected {
            key: self.key,
            size: running.plan.size,
            part_size: Some(running.plan.part_size),
            checksum: composite_checksum(&digests),
            retention: running.multipart.retention.clone(),
        }
    }

    fn read(
        &self,
        source: Box<dyn PartSource>,
        number: u32,
        range: (u64, u64),
    ) -> JoinHandle<Read> {
        read_part(self.memory, self.key, source, number, range)
    }

    fn join(&self, read: Result<Read, JoinError>) -> Result<Read, UploadError> {
        match read {
            Ok(read) => Ok(read),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => Err(self.cancelled()),
        }
    }

    /// Forgets the upload; the error that says so, for the next attempt to begin anew.
    async fn give_up(
        &self,
        multipart: &Multipart,
        ledger: &mut dyn Ledger,
    ) -> Result<UploadError, UploadError> {
        self.take_back(multipart, ledger).await?;
        Ok(UploadError::UploadLost {
            key: self.key.to_owned(),
        })
    }

    async fn take_back(
        &self,
        multipart: &Multipart,
        ledger: &mut dyn Ledger,
    ) -> Result<(), UploadError> {
        self.abort(&multipart.upload_id).await;
        ledger.clear().map_err(UploadError::Ledger)
    }

    /// Only tidies up: the bucket's lifecycle rule does it otherwise.
    async fn abort(&self, upload_id: &str) {
        if let Err(error) = self.store.abort(self.key, upload_id).await {
            tracing::warn!(code = "upload_left_behind", key = self.key, %error, next_step = "give the bucket a lifecycle rule that ends incomplete uploads", "an unfinished upload stays in the store");
        }
    }

    fn cancelled(&self) -> UploadError {
        UploadError::Cancelled {
            key: self.key.to_owned(),
        }
    }
}

impl Running {
    /// Keeps of what we noted only what the store lists just so.
    fn keep_only(&mut self, listed: Vec<ListedPart>) {
        let plan = self.plan;
        let mut held: BTreeMap<u32, Vec<ListedPart>> = BTreeMap::new();
        for part in listed {
            if plan.length(part.number) == part.size {
                held.entry(part.number).or_default().push(part);
            }
        }
        self.done.retain(|number, part| {
            held.get(number).into_iter().flatten().any(|held| {
                held.etag == part.etag
                    && held.checksum.is_none_or(|checksum| checksum == part.sha256)
            })
        });
        self.listed = held
            .into_iter()
            .map(|(number, parts)| {
                let known = |part: ListedPart| Some((part.etag, part.checksum?));
                (number, parts.into_iter().filter_map(known).collect())
            })
            .collect();
    }

    /// The ETag of this very part, if the store holds it already.
    fn held(&mut self, number: u32, sha256: Sha256Digest) -> Option<String> {
        self.listed
            .remove(&number)?
            .into_iter()
            .find_map(|(etag, theirs)| (theirs == sha256).then_some(etag))
    }

    fn tags(&self) -> Vec<PartTag> {
        self.done
            .values()
            .map(|part| PartTag {
                number: part.number,
                etag: part.etag.clone(),
                sha256: part.sha256,
            })
            .collect()
    }
}

/// Stands in while the real source is out reading.
struct Nowhere;

impl PartSource for Nowhere {
    fn len(&self) -> u64 {
        0
    }

    fn read_range(&mut self, _: u64, _: u64, _: Lease) -> Result<Bytes, BoxError> {
        Err("the source is in use".into())
    }
}

async fn joined(reading: &mut Option<JoinHandle<Read>>) -> Option<Result<Read, JoinError>> {
    match reading {
        Some(reading) => Some(reading.await),
        None => None,
    }
}

/// Returns when asked to stop; never when nobody can ask any more.
async fn stop(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|&stop| stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
