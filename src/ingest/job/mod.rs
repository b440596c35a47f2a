//! One dock session from start to end, on a thread of its own: look, take, look again, and only then say safe.

mod bounds;
mod idle;
#[cfg(test)]
mod model;
mod room;
mod show;
mod wipe;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use std::time::{Duration, Instant};

use super::commit::Tally;
use super::control::{JobControl, JobEnd};
use super::events::Held;
use super::inventory::{self, Refusals};
use super::looked::Looked;
use super::outbound::chain;
use super::pull::{Puller, Tools};
use super::quiet::Quiet;
use super::state::{CRAWLING, SessionState};
use super::turns::Turn as Place;
use super::wiping::Wiping;
use super::{IngestError, Shared};
use crate::camera::Camera;
use crate::failpoint::reached;
use crate::journal::{InventoryRow, Outcome, SessionRow};
use crate::metrics;
use crate::model::{Event, Explain as _, FileFacts, FileTimes, ItemFailed, RetryClass, SourcePath};
use room::Taken;
use wipe::Wipe;

/// Files taken from the journal at a time.
const ROUND: u32 = 256;
/// Read errors of one file before it is named as failed.
const TRIES: u32 = 3;
/// Between looks at a camera that has been settled, when nothing hinted at a change.
const RESCAN: Duration = Duration::from_secs(30);

pub struct Job {
    pub shared: Arc<Shared>,
    pub session: SessionRow,
    pub camera: Box<dyn Camera>,
    pub control: Arc<JobControl>,
    /// Another docked camera claims the same serial, or there is none: match nothing with what is held.
    pub anonymous: bool,
    /// `None`: nothing is ever deleted from this camera.
    pub wiping: Option<Wiping>,
}

struct Run {
    shared: Arc<Shared>,
    session: SessionRow,
    control: Arc<JobControl>,
    anonymous: bool,
    state: Mutex<SessionState>,
    tally: Arc<Tally>,
    began: Instant,
    secured_shown: bool,
    /// What a settled session saw in the journal, and how much was not stored then.
    looked: Looked,
    unstored: Option<u64>,
    tries: HashMap<SourcePath, u32>,
    changes: HashMap<SourcePath, u32>,
    quiet: Quiet,
    /// Until the first inventory has been taken.
    file_times: Option<FileTimes>,
    bytes_read: u64,
    /// It was said that there is no room for something.
    cramped: bool,
    wipe: Option<Wipe>,
}

impl Job {
    /// Runs the session to its end. Blocks for as long as the camera is docked.
    pub fn run(self) -> Result<JobEnd, IngestError> {
        let span = tracing::info_span!("dock session", session = %self.session.id, bay = %self.session.bay,
            camera = self.session.camera.as_ref().map_or("unknown", |c| c.as_str()));
        let _entered = span.enter();
        let (mut run, mut camera) = self.open();
        run.show(None);
        run.begin(&camera.condition())?;
        run.work(camera.as_mut());
        run.end()
    }

    fn open(self) -> (Run, Box<dyn Camera>) {
        let Self {
            shared,
            session,
            camera,
            control,
            anonymous,
            wiping,
        } = self;
        let wipe = wiping.and_then(|wiping| Wipe::of(wiping, &session, anonymous));
        control.set_to_wipe(wipe.is_some());
        let state = Mutex::new(SessionState::new(session.quarantine.clone()));
        let run = Run {
            shared,
            session,
            control,
            anonymous,
            state,
            tally: Arc::default(),
            began: Instant::now(),
            secured_shown: false,
            looked: Looked::default(),
            unstored: None,
            tries: HashMap::new(),
            changes: HashMap::new(),
            quiet: Quiet::default(),
            file_times: None,
            bytes_read: 0,
            cramped: false,
            wipe,
        };
        (run, camera)
    }
}

/// How one turn of a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    GoOn,
    /// Nothing is left to do until something changes.
    Settled,
    /// The camera left, or the service stops.
    Over,
}

impl Run {
    fn stopped(&self) -> bool {
        self.control.left().is_some() || self.shared.stopping()
    }

    /// Until the camera leaves or the service stops.
    fn work(&mut self, camera: &mut dyn Camera) {
        let mut tools = Tools::new(self.shared.frame_length);
        let mut refusals = Refusals::new();
        let mut failures = 0u32;
        loop {
            match self.turn(camera, &mut tools, &mut refusals, &mut failures) {
                Turn::GoOn => {}
                Turn::Settled => self.idle(),
                Turn::Over => break,
            }
        }
    }

    /// One pass, and what to do about its failure; `failures` counts those in a row.
    fn turn(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut Tools,
        refusals: &mut Refusals,
        failures: &mut u32,
    ) -> Turn {
        if self.stopped() {
            return Turn::Over;
        }
        let error = match self.pass(camera, tools, refusals) {
            Ok(settled) => {
                *failures = 0;
                return if settled { Turn::Settled } else { Turn::GoOn };
            }
            Err(IngestError::Stopped) => return Turn::Over,
            Err(error) => error,
        };
        if !camera.still_there() {
            self.control.wait(Duration::from_secs(3));
            self.control.leave("the camera was removed");
            return Turn::Over;
        }
        *failures += 1;
        self.say(&error, *failures);
        if error.retry_class() == RetryClass::Never {
            self.control.wait(RESCAN);
        } else {
            let pause = Duration::from_millis(500) * 2u32.pow((*failures).min(6));
            self.control.wait(pause);
        }
        Turn::GoOn
    }

    /// One look and one round of taking; `true` when the session is settled.
    fn pass(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut Tools,
        refusals: &mut Refusals,
    ) -> Result<bool, IngestError> {
        // A pass that failed leaves items in the committer's hands: they would be taken twice.
        self.tally.settle();
        let seen = {
            let (shared, control) = (&self.shared, &self.control);
            let times = self.file_times.as_ref();
            let stop = || control.left().is_some() || shared.stopping();
            let seen = inventory::look(shared, self.session.id, camera, refusals, times, &stop);
            // Also of a look that failed later on: they are in the log.
            self.lock().refused(refusals.len() as u64);
            seen?
        };
        self.file_times = None;
        let counts = self.shared.journal.inventory_counts(self.session.id)?;
        if seen.fresh == 0 && counts.pending.0 == 0 {
            self.tally.settle();
            self.forget_stale()?;
            let unstored = self.shared.journal.unstored_of(self.session.id)?;
            let counts = self.shared.journal.inventory_counts(self.session.id)?;
            let settled = self.lock().settled(counts, self.tally.waiting(), unstored);
            if let Err(not) = settled {
                tracing::debug!(error = %not, "not settled yet");
                return Ok(false);
            }
            reached!("session: settled");
            self.wipe(camera)?;
            self.show(None);
            self.control.set_settled(true);
            reached!("session: shown");
            if !self.secured_shown {
                self.secured_shown = true;
                metrics::secured_after(self.began.elapsed().as_secs_f64());
                let seconds = self.began.elapsed().as_secs_f64();
                tracing::info!(
                    files = counts.files(),
                    bytes = counts.bytes(),
                    held = counts.held.0,
                    failed = counts.failed.0,
                    seconds,
                    "everything on the camera is secured on this station"
                );
            }
            return Ok(true);
        }
        self.control.set_settled(false);
        self.something_new();
        self.lock().pulling(counts);
        self.show(None);
        let postponed = self.take_pending(camera, tools)?;
        if postponed > 0 {
            // Something may still be growing: give it time before the next look.
            let (least, most) = (Duration::from_millis(50), Duration::from_millis(500));
            self.control
                .wait((self.shared.settle / 4).clamp(least, most));
        }
        Ok(false)
    }

    /// Takes all that is pending; returns how many were postponed: they may still be growing, or do not fit into the spool.
    fn take_pending(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut Tools,
    ) -> Result<usize, IngestError> {
        let mut postponed: HashSet<SourcePath> = HashSet::new();
        let mut no_room: HashSet<SourcePath> = HashSet::new();
        let mut smallest: Option<FileFacts> = None;
        let mut held: Vec<Held> = Vec::new();
        loop {
            let left_out = postponed.len() + no_room.len();
            let limit = ROUND + u32::try_from(left_out).unwrap_or(u32::MAX - ROUND);
            let mut rows = self.shared.journal.next_pending(self.session.id, limit)?;
            rows.retain(|InventoryRow { facts, .. }| {
                !postponed.contains(&facts.path) && !no_room.contains(&facts.path)
            });
            if rows.is_empty() {
                // What may still be growing, or is to be read again, is not kept waiting for room.
                match smallest.take().filter(|_| postponed.is_empty()) {
                    Some(facts) if self.wait_for_room(&facts)? => no_room.clear(),
                    _ => break,
                }
                continue;
            }
            for row in rows {
                if self.stopped() {
                    return Err(IngestError::Stopped);
                }
                match self.take(camera, tools, &row, &mut held)? {
                    Taken::Done => {
                        let elapsed = self.began.elapsed();
                        self.lock().took(row.facts.size, self.bytes_read, elapsed);
                    }
                    Taken::Later => {
                        postponed.insert(row.facts.path);
                    }
                    Taken::NoRoom => {
                        if smallest.as_ref().is_none_or(|s| row.facts.size < s.size) {
                            smallest = Some(row.facts.clone());
                        }
                        no_room.insert(row.facts.path);
                    }
                }
            }
            self.name_held(&mut held)?;
            self.tally.settle();
            let counts = self.shared.journal.inventory_counts(self.session.id)?;
            self.lock().pulling(counts);
            self.show(None);
        }
        Ok(postponed.len() + no_room.len())
    }

    fn take(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut Tools,
        row: &InventoryRow,
        held: &mut Vec<Held>,
    ) -> Result<Taken, IngestError> {
        let facts = &row.facts;
        if let (Some(id), false) = (&self.session.camera, self.anonymous)
            && let Some(known) = self.shared.journal.held(id, facts)?
        {
            held.push(Held {
                facts: facts.clone(),
                evidence: known.id,
            });
            return Ok(Taken::Done);
        }
        if !self.quiet.is_quiet(facts, self.shared.settle) {
            return Ok(Taken::Later);
        }
        let shared = Arc::clone(&self.shared);
        let Some(_room) = room::room(&shared, facts.size) else {
            return Ok(Taken::NoRoom);
        };
        self.show(Some(facts));
        let turn = shared.turns.wait(&|| self.stopped());
        let turn = Cell::new(Some(turn.ok_or(IngestError::Stopped)?));
        match self.pull(camera, facts, tools, &turn) {
            Ok(bytes) => {
                self.bytes_read += bytes;
                self.tries.remove(&facts.path);
                Ok(Taken::Done)
            }
            Err(IngestError::Changed(how)) => {
                let changes = self.changes.entry(facts.path.clone()).or_default();
                *changes += 1;
                tracing::info!(path = %facts.path, how, "the file changed while it was read; it is taken again");
                if *changes > 10 {
                    self.lock().waiting(
                        "source_changed",
                        format!("{} is still being written to", facts.path),
                        "Leave the camera docked until it stops recording.".into(),
                    );
                }
                Ok(Taken::Later)
            }
            Err(IngestError::Disk(error)) if error.disk_full() => {
                metrics::error("disk_full");
                tracing::warn!(path = %facts.path, code = "disk_full", error = &error as &dyn std::error::Error,
                    next_step = error.next_step(), "the disk is full; the file is taken again when there is room");
                let full = "The station's disk is full".into();
                self.lock().waiting("disk_full", full, error.next_step());
                self.show(None);
                self.control.wait(Duration::from_secs(2));
                Ok(Taken::Later)
            }
            Err(IngestError::Camera(error)) => {
                if !camera.still_there() {
                    return Err(error.into());
                }
                self.failed_read(facts, &error)
            }
            Err(error) => Err(error),
        }
    }

    fn pull(
        &self,
        camera: &mut dyn Camera,
        facts: &FileFacts,
        tools: &mut Tools,
        turn: &Cell<Option<Place<'_>>>,
    ) -> Result<u64, IngestError> {
        let progress = |in_file: u64| {
            self.lock()
                .progress(in_file, self.bytes_read + in_file, self.began.elapsed());
            self.show(Some(facts));
        };
        let crawls = |speed: Option<u64>| {
            // Others need not wait for it.
            drop(speed.and_then(|_| turn.take()));
            let before = self.lock().crawling(speed);
            if let (Some(speed), None) = (speed, before) {
                metrics::error("camera_slow");
                tracing::warn!(path = %facts.path, code = "camera_slow", bytes_a_second = speed,
                    next_step = CRAWLING, "the camera hardly answers");
            }
            self.show(Some(facts));
        };
        let puller = Puller {
            shared: &self.shared,
            session: &self.session,
            anonymous: self.anonymous,
            tally: &self.tally,
            stop: &|| self.stopped(),
            progress: &progress,
            crawls: &crawls,
        };
        puller.pull(camera, facts, tools)
    }

    /// Tried a few times, then named in the log; docking again tries again.
    fn failed_read(
        &mut self,
        facts: &FileFacts,
        error: &crate::camera::CameraError,
    ) -> Result<Taken, IngestError> {
        let tries = self.tries.entry(facts.path.clone()).or_default();
        *tries += 1;
        if *tries < TRIES && error.retry_class() != RetryClass::Never {
            tracing::warn!(path = %facts.path, code = error.label(), error = error as &dyn std::error::Error,
                next_step = error.next_step(), "cannot read; trying again");
            self.control.wait(Duration::from_millis(200));
            return Ok(Taken::Later);
        }
        metrics::file("failed", facts.size);
        metrics::error(error.label());
        tracing::error!(path = %facts.path, code = error.label(), error = error as &dyn std::error::Error,
            next_step = error.next_step(), "not taken");
        self.shared.log_event(
            Some(self.session.id),
            Event::ItemFailed(ItemFailed {
                path: Some(facts.path.clone()),
                name: None,
                evidence: None,
                size: Some(facts.size),
                code: error.label().to_owned(),
                reason: chain(error),
                retried: true,
            }),
        )?;
        self.shared.journal.set_outcomes(
            self.session.id,
            Outcome::Failed,
            &[(facts.path.clone(), None)],
        )?;
        Ok(Taken::Done)
    }

    /// First the log, then the journal: a file is never called held without its entry.
    fn name_held(&self, held: &mut Vec<Held>) -> Result<(), IngestError> {
        if held.is_empty() {
            return Ok(());
        }
        let events = held.iter().map(Held::event).collect();
        self.shared.log_events(Some(self.session.id), events)?;
        reached!("session: held named");
        let rows: Vec<_> = held
            .drain(..)
            .map(|held| (held.facts.path, Some(held.evidence)))
            .collect();
        self.shared
            .journal
            .set_outcomes(self.session.id, Outcome::Held, &rows)?;
        Ok(())
    }
}
