//! Takes one file from the camera into a sealed spool file and hands it to the committer. The source is read once.

use std::cell::Cell;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::camera_reader::CameraReader;
use super::commit::{SealedFile, Tally};
use super::held::{EndsDigest, read_part};
use super::item_stock::ItemStock;
use super::{IngestError, Shared};
use crate::camera::{Camera, CameraError, CameraFile};
use crate::durable::{self, BulkFile, DurableError};
use crate::failpoint::reached;
use crate::journal::{ItemRow, SealedFacts, SessionRow, StoreProgress};
use crate::model::{
    Event, EvidenceId, FileFacts, ImportOrigin, ItemQuarantined, ItemSealed, ItemState,
    Sha256Digest,
};
use crate::seal::{
    Buffers, ItemKey, MessageHeader, PipelineError, PreparedItem, PullWatch, Resumed, SealError,
    SealedStream, Start, WholeFrame, resume, seal_stream,
};

/// Frames in memory for each camera.
const BUFFERS: usize = 8;

/// Pulls one file for its job.
pub struct Puller<'a> {
    pub shared: &'a Arc<Shared>,
    pub session: &'a SessionRow,
    /// The camera's identity proves nothing: nothing is resumed or matched with what is held.
    pub anonymous: bool,
    pub tally: &'a Arc<Tally>,
    /// For the items of an import.
    pub import: Option<ImportOrigin>,
    /// Whether the job is to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Called with the bytes of this file that have been read.
    pub progress: &'a dyn Fn(u64),
    /// Called with the bytes a second of a camera that hardly answers; with `None` when it no longer crawls.
    pub crawls: &'a dyn Fn(Option<u64>),
}

/// Buffers and keys that a job keeps from file to file.
pub struct PullTools {
    pub buffers: Buffers,
    /// Started with the first item that is not resumed.
    pub stock: Option<ItemStock>,
}

impl PullTools {
    pub fn new(frame_length: u32) -> Self {
        Self {
            buffers: Buffers::new(frame_length, BUFFERS),
            stock: None,
        }
    }
}

struct JobWatch<'a> {
    puller: &'a Puller<'a>,
    shown: Cell<Instant>,
}

impl PullWatch for JobWatch<'_> {
    fn progress(&self, plaintext: u64) {
        if self.shown.get().elapsed() > Duration::from_millis(100) {
            self.shown.set(Instant::now());
            (self.puller.progress)(plaintext);
        }
    }

    fn cancelled(&self) -> bool {
        (self.puller.stop)()
    }
}

/// An item that is being pulled: its names, its key and its spool file.
struct OpenItem {
    id: EvidenceId,
    key: ItemKey,
    /// `None` for a resumed item: it is made at the end.
    item_key_message: Option<Vec<u8>>,
    wrapped: Vec<u8>,
    file: BulkFile,
    start: PullStart,
    /// The ends of what was read by the pull that it resumes.
    ends: EndsDigest,
}

enum PullStart {
    From(Box<Start>),
    Whole(SealedStream),
}

/// Whether the camera still has these frames of an interrupted pull: another recording may have its path, size and time.
fn compare(
    source: &mut dyn CameraFile,
    facts: &FileFacts,
    frames: &[WholeFrame],
) -> Result<(), IngestError> {
    for WholeFrame { offset, plaintext } in frames {
        let end = offset + plaintext.len() as u64;
        if end > facts.size || read_part(source, facts, *offset, end)? != **plaintext {
            return Err(SealError::SourceChanged.into());
        }
    }
    Ok(())
}

impl Puller<'_> {
    /// Takes one file. `Changed` and `Stopped` leave it pending; the caller decides on the rest.
    pub fn pull(
        &self,
        camera: &mut dyn Camera,
        facts: &FileFacts,
        tools: &mut PullTools,
    ) -> Result<u64, IngestError> {
        let mut source = self.open(camera, facts)?;
        let work = match self.resumed(source.as_mut(), facts)? {
            Some(work) => work,
            None => self.fresh(facts, tools)?,
        };
        let id = work.id;
        let span = tracing::info_span!("item", evidence = %id, path = %facts.path);
        let _entered = span.enter();
        match self.seal(source.as_mut(), facts, work, &mut tools.buffers) {
            Ok(size) => Ok(size),
            Err(error) => {
                // A pull that can be resumed stays; every other one leaves nothing behind.
                let keep = match &error {
                    IngestError::Stopped => true,
                    IngestError::Camera(error) => !error.spoils(),
                    _ => false,
                } && self.may_resume(facts);
                if !keep {
                    self.throw_away(id)?;
                }
                Err(error)
            }
        }
    }

    /// Opens a file that is still what was listed.
    pub(super) fn open(
        &self,
        camera: &mut dyn Camera,
        facts: &FileFacts,
    ) -> Result<Box<dyn CameraFile>, IngestError> {
        let source = match camera.open(&facts.path) {
            Ok(source) => source,
            Err(error) => {
                if matches!(error, CameraError::NotFound { .. }) && camera.still_there() {
                    self.forget(facts)?;
                }
                return Err(error.into());
            }
        };
        let open = source.facts();
        if open.size != facts.size || open.modified != facts.modified {
            return Err(IngestError::Changed(
                "it is no longer what was listed".into(),
            ));
        }
        Ok(source)
    }

    /// The journal first: a pull whose file could not be removed must never be resumed.
    fn throw_away(&self, id: EvidenceId) -> Result<(), IngestError> {
        self.shared.journal.drop_pulling(id)?;
        Ok(durable::remove(&self.shared.spool.partial(id))?)
    }

    /// Throws away the interrupted pull of a file that is gone from the camera.
    fn forget(&self, facts: &FileFacts) -> Result<(), IngestError> {
        let (Some(camera), false) = (&self.session.camera, self.anonymous) else {
            return Ok(());
        };
        match self.shared.journal.resumable(camera, facts)? {
            Some(row) => self.throw_away(row.id),
            None => Ok(()),
        }
    }

    fn may_resume(&self, facts: &FileFacts) -> bool {
        !self.anonymous
            && facts.size >= self.shared.scale.resumable_from
            && facts.modified.is_some()
    }

    fn fresh(&self, facts: &FileFacts, tools: &mut PullTools) -> Result<OpenItem, IngestError> {
        let stock = match &mut tools.stock {
            Some(stock) => stock,
            none => none.insert(ItemStock::start(self.shared, self.camera())?),
        };
        let PreparedItem {
            evidence: id,
            key,
            sealer,
            item_key_message,
        } = stock.next()?;
        let wrapped = self.shared.wrap.wrap(&key, id)?;
        if self.may_resume(facts) {
            self.shared.journal.begin_item(&self.row(
                id,
                facts,
                &wrapped,
                ItemState::Pulling,
                None,
            ))?;
        }
        let begun = || -> Result<BulkFile, DurableError> {
            let mut file = BulkFile::create(&self.shared.spool.partial(id), facts.size)?;
            reached!("pull: created");
            file.append(sealer.header())?;
            Ok(file)
        };
        let file = match begun() {
            Ok(file) => file,
            // Otherwise a full disk would fill up with beginnings.
            Err(error) => {
                self.throw_away(id)?;
                return Err(error.into());
            }
        };
        reached!("pull: header written");
        Ok(OpenItem {
            id,
            key,
            item_key_message: Some(item_key_message),
            wrapped,
            file,
            start: PullStart::From(Box::new(Start::fresh(sealer))),
            ends: EndsDigest::new(facts.size),
        })
    }

    /// The camera's name in headers.
    fn camera(&self) -> &str {
        self.session
            .camera
            .as_ref()
            .map_or("unknown", |c| c.as_str())
    }

    /// The interrupted pull of this very file, if its partial spool file verifies and the camera still has what was read;
    /// otherwise it is thrown away.
    fn resumed(
        &self,
        source: &mut dyn CameraFile,
        facts: &FileFacts,
    ) -> Result<Option<OpenItem>, IngestError> {
        let (Some(camera), false) = (&self.session.camera, self.anonymous) else {
            return Ok(None);
        };
        let Some(row) = self.shared.journal.resumable(camera, facts)? else {
            return Ok(None);
        };
        let path = self.shared.spool.partial(row.id);
        let mut begin = || -> Result<OpenItem, IngestError> {
            let wrapped = row.wrapped_key.clone().unwrap_or_default();
            let key = self.shared.item_key(&row)?;
            let mut reader =
                BufReader::with_capacity(1 << 20, File::open(&path).map_err(SealError::Read)?);
            let mut ends = EndsDigest::new(facts.size);
            let mut seen = |offset, bytes: &[u8]| ends.update(offset, bytes);
            let (start, frames) = match resume(&mut reader, &key, row.id, &mut seen)? {
                Resumed::Complete(sealed, frames) => (PullStart::Whole(sealed), frames),
                Resumed::Partial(start, frames) => (PullStart::From(start), frames),
            };
            compare(source, facts, &frames)?;
            let keep = match &start {
                PullStart::Whole(sealed) => sealed.sealed_size,
                PullStart::From(start) => start.sealed,
            };
            let file = BulkFile::resume(&path, keep, facts.size)?;
            Ok(OpenItem {
                id: row.id,
                key,
                item_key_message: None,
                wrapped,
                file,
                start,
                ends,
            })
        };
        match begin() {
            Ok(work) => {
                self.shared
                    .journal
                    .move_to_session(row.id, self.session.id)?;
                tracing::info!(evidence = %row.id, path = %facts.path, sealed_bytes = work.file.len(), "resumes an interrupted pull");
                Ok(Some(work))
            }
            // The camera may give it later.
            Err(IngestError::Camera(error)) if !error.spoils() => Err(error.into()),
            Err(error) => {
                tracing::warn!(code = "pull_not_resumed", evidence = %row.id, path = %facts.path, error = &error as &dyn std::error::Error,
                    next_step = "nothing to do; if it happens often, check the station's disk",
                    "an interrupted pull cannot be resumed; it is thrown away and the file is pulled again");
                self.throw_away(row.id)?;
                Ok(None)
            }
        }
    }

    fn seal(
        &self,
        source: &mut dyn CameraFile,
        facts: &FileFacts,
        work: OpenItem,
        buffers: &mut Buffers,
    ) -> Result<u64, IngestError> {
        let OpenItem {
            id,
            key,
            item_key_message,
            wrapped,
            mut file,
            start,
            ends,
        } = work;
        let header = match &start {
            PullStart::From(start) => MessageHeader::read(&mut start.sealer.header())?.0,
            PullStart::Whole(_) => {
                let file = File::open(file.path()).map_err(SealError::Read)?;
                MessageHeader::read(&mut BufReader::new(file))?.0
            }
        };
        let (sealed, ends) = match start {
            PullStart::Whole(sealed) => (sealed, ends.finish()),
            PullStart::From(start) => {
                source.seek_to(start.plaintext)?;
                let busy = self.shared.pulling.fetch_add(1, Ordering::Relaxed) + 1;
                let watch = JobWatch {
                    puller: self,
                    shown: Cell::new(Instant::now()),
                };
                let side_by_side = busy < self.shared.cores
                    && facts.size > u64::from(self.shared.frame_length) * 2;
                let mut reader = CameraReader::new(source, self, start.plaintext, ends);
                let done = seal_stream(
                    &mut reader,
                    &mut file,
                    *start,
                    buffers,
                    side_by_side,
                    &watch,
                );
                self.shared.pulling.fetch_sub(1, Ordering::Relaxed);
                let sealed = done.map_err(|e| match e {
                    PipelineError::Source(_) if (self.stop)() => IngestError::Stopped,
                    PipelineError::Source(e) => CameraError::reading(&facts.path, e).into(),
                    PipelineError::Sink(e) => IngestError::Disk(e),
                    PipelineError::Seal(e) => e.into(),
                    PipelineError::Cancelled => IngestError::Stopped,
                })?;
                (sealed, reader.ends())
            }
        };
        reached!("pull: sealed");
        file.finish()?;
        reached!("pull: finished");
        if let Some(change) = source.recheck()? {
            return Err(IngestError::Changed(change.to_string()));
        }
        if sealed.size != facts.size {
            return Err(IngestError::Changed(format!(
                "{} bytes were read, {} listed",
                sealed.size, facts.size
            )));
        }
        let item_key_message = match item_key_message {
            Some(message) => message,
            None => key.seal_to(
                &self.shared.recipients,
                id,
                self.shared.station.as_str(),
                self.camera(),
            )?,
        };
        let manifest = self.shared.encode(
            Some(self.session.id),
            Event::ItemSealed(self.entry(id, facts, &sealed, &header)),
        )?;
        let quarantine = match &self.session.quarantine {
            None => None,
            Some(reason) => Some(self.shared.encode(
                Some(self.session.id),
                Event::ItemQuarantined(ItemQuarantined {
                    evidence: id,
                    reason: reason.clone(),
                }),
            )?),
        };
        let facts_sealed = SealedFacts {
            sha256: sealed.sha256,
            sealed_size: sealed.sealed_size,
            item_key_message,
            manifest,
        };
        let item = self.row(id, facts, &wrapped, ItemState::Sealed, Some(facts_sealed));
        reached!("pull: to be committed");
        self.shared.hand_over(SealedFile {
            item,
            file,
            quarantine,
            ends,
            tally: Arc::clone(self.tally),
        })?;
        Ok(sealed.size)
    }

    fn entry(
        &self,
        id: EvidenceId,
        facts: &FileFacts,
        sealed: &SealedStream,
        header: &MessageHeader,
    ) -> ItemSealed {
        ItemSealed {
            evidence: id,
            path: facts.path.clone(),
            size: sealed.size,
            modified: facts.modified,
            kind: facts.kind,
            flagged: facts.flagged,
            sha256: sealed.sha256,
            sealed_size: sealed.sealed_size,
            frame_length: header.frame_length,
            message_id: Sha256Digest(header.message_id).to_string(),
            camera: self.session.camera.clone(),
            officer: self.session.officer.clone(),
            bay: self.session.bay.clone(),
            import: self.import,
        }
    }

    fn row(
        &self,
        id: EvidenceId,
        facts: &FileFacts,
        wrapped: &[u8],
        state: ItemState,
        sealed: Option<SealedFacts>,
    ) -> ItemRow {
        ItemRow {
            id,
            session: self.session.id,
            camera: self.session.camera.clone(),
            facts: facts.clone(),
            state,
            wrapped_key: Some(wrapped.to_vec()),
            sealed,
            quarantine: self.session.quarantine.clone(),
            log_index: None,
            storing: StoreProgress::Unconfirmed,
        }
    }
}
