//! Takes a session's pending files, one after the other: held, pulled, or named as failed.
//!
//! A file that does not fit into the spool waits, and whatever fits goes first. A size is only a claim: a false one must not
//! keep a camera's other files from being taken.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::bay_display::BayDisplay;
use super::dock_session::DockSession;
use super::file_history::FileHistory;
use crate::camera::{Camera, CameraError};
use crate::failpoint::reached;
use crate::ingest::commit::Tally;
use crate::ingest::pull::{PullTools, Puller};
use crate::ingest::{Import, IngestError, chain, events};
use crate::journal::{FileOutcome, InventoryOutcome, InventoryRow};
use crate::metrics;
use crate::model::{Event, Explain as _, FileFacts, HeldFile, ItemFailed, RetryClass, SourcePath};

/// Files taken from the journal at a time.
const ROUND: u32 = 256;
/// Between looks for room in the spool, and how many there are before the camera is listed again: half a minute.
const ROOM_LOOK: Duration = Duration::from_millis(500);
const ROOM_LOOKS: u32 = 60;

/// The outcome for one pending file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakeResult {
    Done,
    /// Not now: it may still be growing, or could not be read.
    Later,
    /// The spool has no room for it.
    NoRoom,
}

pub(super) struct Intake {
    session: Arc<DockSession>,
    tally: Arc<Tally>,
    bytes_read: u64,
    /// The log already says that there is no room for something.
    spool_full: bool,
}

/// Files that are left out of a round.
#[derive(Default)]
struct LeftOut {
    later: HashSet<SourcePath>,
    no_room: HashSet<SourcePath>,
    /// The smallest of those without room.
    smallest: Option<FileFacts>,
}

impl LeftOut {
    fn count(&self) -> usize {
        self.later.len() + self.no_room.len()
    }

    fn has(&self, path: &SourcePath) -> bool {
        self.later.contains(path) || self.no_room.contains(path)
    }

    fn add_no_room(&mut self, file: FileFacts) {
        if self.smallest.as_ref().is_none_or(|s| file.size < s.size) {
            self.smallest = Some(file.clone());
        }
        self.no_room.insert(file.path);
    }
}

impl Intake {
    pub fn new(session: Arc<DockSession>) -> Self {
        Self {
            session,
            tally: Arc::default(),
            bytes_read: 0,
            spool_full: false,
        }
    }

    /// Waits until the committer has nothing of this session in hand.
    pub fn wait_committed(&self) {
        self.session.shared.wait_committed(&self.tally);
    }

    pub fn uncommitted(&self) -> u64 {
        self.tally.uncommitted()
    }

    /// Takes all that is pending; returns how many were postponed: they may still be growing, or do not fit into the spool.
    pub fn take_pending(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut PullTools,
        history: &mut FileHistory,
        display: &BayDisplay,
    ) -> Result<usize, IngestError> {
        let session = Arc::clone(&self.session);
        session.control.set_short_of(0);
        history.new_pass();
        let mut left_out = LeftOut::default();
        let mut held: Vec<HeldFile> = Vec::new();
        loop {
            let limit = ROUND + u32::try_from(left_out.count()).unwrap_or(u32::MAX - ROUND);
            let mut rows = session.shared.journal.next_pending(session.row.id, limit)?;
            rows.retain(|row| !left_out.has(&row.facts.path));
            if rows.is_empty() {
                // Files that may still be growing, or are to be read again, are not kept waiting for room.
                let smallest = left_out.smallest.take();
                match smallest.filter(|_| left_out.later.is_empty()) {
                    Some(file) if self.wait_for_room(&file, display)? => left_out.no_room.clear(),
                    _ => break,
                }
                continue;
            }
            for InventoryRow { facts, .. } in rows {
                if session.is_over() {
                    return Err(IngestError::Stopped);
                }
                match self.take(camera, tools, history, display, &facts, &mut held)? {
                    TakeResult::Done => display.count_taken(&facts, self.bytes_read),
                    TakeResult::Later => drop(left_out.later.insert(facts.path)),
                    TakeResult::NoRoom => left_out.add_no_room(facts),
                }
            }
            self.name_held(&mut held)?;
            self.wait_committed();
            display.show_pulling(session.counts()?);
        }
        Ok(left_out.count())
    }

    fn take(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut PullTools,
        history: &mut FileHistory,
        display: &BayDisplay,
        facts: &FileFacts,
        held: &mut Vec<HeldFile>,
    ) -> Result<TakeResult, IngestError> {
        let session = Arc::clone(&self.session);
        match self.try_take(camera, tools, history, display, facts, held) {
            Ok(result) => {
                if result == TakeResult::Done {
                    history.taken(&facts.path);
                }
                Ok(result)
            }
            Err(IngestError::Changed(how)) => {
                tracing::info!(path = %facts.path, how, "the file changed while it was read; it is taken again");
                if self.gives_up(facts, &how, history)? {
                    return Ok(TakeResult::Done);
                }
                if history.changed(&facts.path) {
                    display.state().waiting(
                        "source_changed",
                        format!("{} is still being written to", facts.path),
                        "Leave the camera docked until it stops recording.".into(),
                    );
                }
                Ok(TakeResult::Later)
            }
            Err(IngestError::Disk(error)) if error.disk_full() => {
                metrics::error("disk_full");
                tracing::warn!(path = %facts.path, code = "disk_full", error = &error as &dyn std::error::Error,
                    next_step = error.next_step(), "the disk is full; the file is taken again when there is room");
                let full = "The station's disk is full".into();
                display
                    .state()
                    .waiting("disk_full", full, error.next_step());
                display.show(None);
                session.wait(Duration::from_secs(2));
                Ok(TakeResult::Later)
            }
            Err(IngestError::Camera(error)) if camera.still_there() => {
                self.failed_read(facts, &error, history)
            }
            Err(error) => Err(error),
        }
    }

    fn try_take(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut PullTools,
        history: &mut FileHistory,
        display: &BayDisplay,
        facts: &FileFacts,
        held: &mut Vec<HeldFile>,
    ) -> Result<TakeResult, IngestError> {
        let session = Arc::clone(&self.session);
        let shared = &*session.shared;
        if history.is_given_up(&facts.path) {
            self.set_failed(facts)?;
            return Ok(TakeResult::Done);
        }
        if !history.is_complete(facts, shared.settle) {
            let given_up = self.gives_up(facts, "it is still being written to", history)?;
            return Ok(if given_up {
                TakeResult::Done
            } else {
                TakeResult::Later
            });
        }
        let items = match session.known_camera() {
            Some(id) if !history.is_new(facts) => shared.journal.held(id, facts)?,
            _ => Vec::new(),
        };
        if !items.is_empty() {
            let found = self.with_puller(facts, display, |puller| {
                puller.find_held(camera, facts, &items)
            })?;
            if let Some(evidence) = found {
                let disposal = shared.journal.disposal(evidence)?;
                if let Some(disposal) = &disposal {
                    tracing::info!(%evidence, path = %facts.path, %disposal, "the file was deleted by rule; it is not taken again");
                }
                held.push(HeldFile {
                    evidence,
                    path: facts.path.clone(),
                    size: facts.size,
                    modified: facts.modified,
                    disposed: disposal.map(|disposal| disposal.act),
                });
                return Ok(TakeResult::Done);
            }
            history.set_new(facts);
        }
        let Some(_room) = shared.spool.room(sealed_room(facts.size)) else {
            return Ok(TakeResult::NoRoom);
        };
        let bytes = self.with_puller(facts, display, |puller| puller.pull(camera, facts, tools))?;
        self.bytes_read += bytes;
        Ok(TakeResult::Done)
    }

    /// Reads a file once it is this camera's turn.
    fn with_puller<T>(
        &self,
        facts: &FileFacts,
        display: &BayDisplay,
        read: impl FnOnce(&Puller<'_>) -> Result<T, IngestError>,
    ) -> Result<T, IngestError> {
        let session = &*self.session;
        display.show(Some(facts));
        let slot = session.shared.slots.wait(&|| session.is_over());
        let slot = Cell::new(Some(slot.ok_or(IngestError::Stopped)?));
        read(&Puller {
            shared: &session.shared,
            session: &session.row,
            anonymous: session.anonymous,
            tally: &self.tally,
            import: session.import.as_ref().and_then(Import::origin),
            stop: &|| session.is_over(),
            progress: &|in_file| {
                display.show_progress(facts, in_file, self.bytes_read + in_file);
            },
            crawls: &|speed| {
                // Other cameras need not wait for this one.
                drop(speed.and_then(|_| slot.take()));
                display.show_crawling(facts, speed);
            },
        })
    }

    /// A file is tried a few times, then named in the log; docking the camera again tries it again.
    fn failed_read(
        &self,
        facts: &FileFacts,
        error: &CameraError,
        history: &mut FileHistory,
    ) -> Result<TakeResult, IngestError> {
        let session = &*self.session;
        if history.failed(&facts.path) && error.retry_class() != RetryClass::Never {
            tracing::warn!(path = %facts.path, code = error.label(), error = error as &dyn std::error::Error,
                next_step = error.next_step(), "cannot read; trying again");
            session.wait(Duration::from_millis(200));
            return Ok(TakeResult::Later);
        }
        metrics::file("failed", facts.size);
        metrics::error(error.label());
        tracing::error!(path = %facts.path, code = error.label(), error = error as &dyn std::error::Error,
            next_step = error.next_step(), "not taken");
        self.name_failed(facts, error.label(), chain(error), history)?;
        Ok(TakeResult::Done)
    }

    /// In an import, a file that never stays as it is gets named as not taken; `true` when that was done.
    fn gives_up(
        &self,
        facts: &FileFacts,
        how: &str,
        history: &mut FileHistory,
    ) -> Result<bool, IngestError> {
        let patience = Import::patience(self.session.shared.settle);
        if !self.session.ends() || !history.gives_up(&facts.path, patience) {
            return Ok(false);
        }
        metrics::file("failed", facts.size);
        let reason = format!("the file changed for as long as it was waited for: {how}");
        tracing::warn!(path = %facts.path, code = "source_changed", reason,
            next_step = "end the program that writes to it, then import it again", "not taken");
        self.name_failed(facts, "source_changed", reason, history)?;
        Ok(true)
    }

    /// First the log, then the journal.
    fn name_failed(
        &self,
        facts: &FileFacts,
        code: &str,
        reason: String,
        history: &mut FileHistory,
    ) -> Result<(), IngestError> {
        history.not_taken_for(&facts.path, code, reason.clone());
        self.session.log(Event::ItemFailed(ItemFailed {
            path: Some(facts.path.clone()),
            name: None,
            evidence: None,
            size: Some(facts.size),
            code: code.to_owned(),
            reason,
            retried: true,
        }))?;
        self.set_failed(facts)
    }

    fn set_failed(&self, facts: &FileFacts) -> Result<(), IngestError> {
        let failed = [InventoryOutcome {
            path: facts.path.clone(),
            item: None,
        }];
        let session = &*self.session;
        let journal = &session.shared.journal;
        Ok(journal.set_outcomes(session.row.id, FileOutcome::Failed, &failed)?)
    }

    /// First the log, then the journal: a file is never called held without its entry.
    fn name_held(&self, held: &mut Vec<HeldFile>) -> Result<(), IngestError> {
        if held.is_empty() {
            return Ok(());
        }
        let session = &*self.session;
        let named = events::held(held);
        session.shared.log_events(Some(session.row.id), named)?;
        reached!("session: held named");
        let rows: Vec<_> = held
            .drain(..)
            .map(|held| InventoryOutcome {
                path: held.path,
                item: Some(held.evidence),
            })
            .collect();
        let journal = &session.shared.journal;
        Ok(journal.set_outcomes(session.row.id, FileOutcome::Held, &rows)?)
    }

    /// Nothing is left but files that do not fit: says so and waits until the `smallest` does. `false`: it is time to look
    /// at the camera again.
    fn wait_for_room(
        &mut self,
        smallest: &FileFacts,
        display: &BayDisplay,
    ) -> Result<bool, IngestError> {
        let session = Arc::clone(&self.session);
        let sealed = sealed_room(smallest.size);
        session.control.set_short_of(sealed);
        let capacity = session.shared.spool.capacity();
        if let Some(capacity) = capacity.filter(|capacity| sealed > *capacity) {
            self.show_too_large(smallest, capacity, display);
        } else {
            self.show_spool_full(smallest, display);
        }
        display.show(None);
        for _ in 0..ROOM_LOOKS {
            if session.is_over() {
                return Err(IngestError::Stopped);
            }
            if session.shared.spool.has_room(sealed) {
                let counts = session.counts()?;
                session.control.set_short_of(0);
                self.spool_full = false;
                display.state().pulling(counts);
                return Ok(true);
            }
            session.wait(ROOM_LOOK);
        }
        Ok(false)
    }

    /// Not even an empty spool has room for the file; as long as a size is only a claim, the file stays pending.
    fn show_too_large(&mut self, file: &FileFacts, capacity: u64, display: &BayDisplay) {
        const NEXT: &str = "Leave the camera docked and tell operations: the station needs a larger disk for its spool, or a smaller reserve.";
        if !std::mem::replace(&mut self.spool_full, true) {
            metrics::error("file_too_large");
            tracing::error!(code = "file_too_large", path = %file.path, size = file.size, capacity, next_step = NEXT,
                "the spool can never hold this file, however much is uploaded");
        }
        let reason = format!(
            "The station has no room for {} ({} bytes), and never will: its spool holds at most {capacity} bytes",
            file.path, file.size
        );
        display
            .state()
            .waiting("file_too_large", reason, NEXT.into());
    }

    fn show_spool_full(&mut self, smallest: &FileFacts, display: &BayDisplay) {
        if !std::mem::replace(&mut self.spool_full, true) {
            metrics::error("spool_full");
            tracing::warn!(
                code = "spool_full",
                path = %smallest.path,
                needed = smallest.size,
                free = self.session.shared.spool.free(),
                next_step = "let the uploads drain, or free space on the spool's disk",
                "the spool is full; pulling waits"
            );
        }
        display.state().waiting(
            "spool_full",
            format!(
                "The station's spool is full: it has no room for {} ({} bytes)",
                smallest.path, smallest.size
            ),
            "Leave the camera docked: it continues when uploads have made room. Operations: check the store.".into(),
        );
    }
}

/// More than a file of so many bytes has once it is sealed.
const fn sealed_room(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 1024 + (1 << 16))
}
