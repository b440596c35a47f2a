//! One dock session from start to end, on a thread of its own: list the camera, take what is new, list it again, and only then
//! say that it is safe.
//!
//! Keeps promises 1 and 2. The job conducts its parts: what is taken, what is remembered of files, and what the bay shows.

mod bay_display;
mod dock_session;
mod file_history;
mod intake;
#[cfg(test)]
mod model;
mod store_watch;
mod wipe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::control::{JobControl, JobEnd};
use super::events::EndReason;
use super::pull::PullTools;
use super::state::{EMPTY_NEXT_STEP, Phase, Silence};
use super::wiping::Wiping;
use super::{Import, IngestError, Shared, chain, inventory};
use crate::camera::Camera;
use crate::failpoint::reached;
use crate::journal::{InventoryCounts, SessionRow};
use crate::model::{Condition, Explain as _, FileTimes, RetryClass};
use bay_display::BayDisplay;
use dock_session::DockSession;
use file_history::FileHistory;
use intake::Intake;
use store_watch::{StoreWait, StoreWatch};
use wipe::Wiper;

/// Between looks at a camera that has been settled, when nothing hinted at a change.
const RESCAN: Duration = Duration::from_secs(30);

/// After so many failures in a row, the trouble does not pass by itself.
const FAILURES_LAST: u32 = 3;

pub struct Job {
    pub shared: Arc<Shared>,
    pub session: SessionRow,
    pub camera: Box<dyn Camera>,
    pub control: Arc<JobControl>,
    /// Another docked camera claims the same serial, or there is none: match nothing with what is held.
    pub anonymous: bool,
    /// It was docked already when the station started: nobody saw when it was docked.
    pub at_start: bool,
    /// `None`: nothing is ever deleted from this camera.
    pub wiping: Option<Wiping>,
    /// It is no camera but evidence that somebody declared. Nothing is deleted.
    pub import: Option<Import>,
}

struct Run {
    session: Arc<DockSession>,
    intake: Intake,
    history: FileHistory,
    display: BayDisplay,
    store: StoreWatch,
    wiper: Option<Wiper>,
    /// Until the first inventory has been taken.
    file_times: Option<FileTimes>,
    /// Passes that failed in a row.
    failures: u32,
}

impl Job {
    /// Runs the session to its end. Blocks for as long as the camera is docked.
    pub fn run(self) -> Result<JobEnd, IngestError> {
        let span = tracing::info_span!("dock session", session = %self.session.id, bay = %self.session.bay,
            camera = self.session.camera.as_ref().map_or("unknown", |c| c.as_str()));
        let _entered = span.enter();
        let (mut run, mut camera) = self.open();
        let mut tools = PullTools::new(run.session.shared.frame_length);
        run.begin(&camera.condition())?;
        loop {
            match run.step(camera.as_mut(), &mut tools) {
                StepEnd::GoOn => {}
                StepEnd::Settled if run.session.ends() => break,
                StepEnd::Settled => run.idle(),
                StepEnd::Over => break,
            }
        }
        if !camera.still_there() {
            run.session.control.leave(run.session.removed());
        }
        run.end()
    }

    fn open(self) -> (Run, Box<dyn Camera>) {
        let wiper = self
            .wiping
            .and_then(|wiping| Wiper::new(wiping, &self.session, self.anonymous));
        self.control.set_to_wipe(wiper.is_some());
        let session = Arc::new(DockSession {
            shared: self.shared,
            row: self.session,
            control: self.control,
            anonymous: self.anonymous,
            at_start: self.at_start,
            import: self.import,
        });
        let run = Run {
            intake: Intake::new(Arc::clone(&session)),
            history: FileHistory::default(),
            display: BayDisplay::new(Arc::clone(&session)),
            session,
            store: StoreWatch::default(),
            wiper,
            file_times: None,
            failures: 0,
        };
        (run, self.camera)
    }
}

/// The result of one step of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepEnd {
    GoOn,
    /// Nothing is left to do until something changes.
    Settled,
    /// The camera left, or the service stops.
    Over,
}

impl Run {
    fn begin(&mut self, condition: &Condition) -> Result<(), IngestError> {
        self.display.show(None);
        self.file_times.clone_from(&condition.file_times);
        self.session.begin(&self.display, condition)
    }

    /// One pass, and what to do about its failure.
    fn step(&mut self, camera: &mut dyn Camera, tools: &mut PullTools) -> StepEnd {
        if self.session.is_over() {
            return StepEnd::Over;
        }
        let error = match self.pass(camera, tools) {
            Ok(settled) => {
                self.failures = 0;
                self.session.control.set_failing(false);
                return if settled {
                    StepEnd::Settled
                } else {
                    StepEnd::GoOn
                };
            }
            Err(IngestError::Stopped) => return StepEnd::Over,
            Err(error) => error,
        };
        if !camera.still_there() {
            self.session.wait(Duration::from_secs(3));
            self.session.control.leave(self.session.removed());
            return StepEnd::Over;
        }
        self.failures += 1;
        self.display.show_failure(&error, self.failures);
        let lasts = self.failures >= FAILURES_LAST && error.retry_class() != RetryClass::Later;
        self.session.control.set_failing(lasts);
        if lasts && self.session.ends() {
            self.session.control.leave(&chain(&error));
            return StepEnd::Over;
        }
        if error.retry_class() == RetryClass::Never {
            self.session.wait(RESCAN);
        } else {
            let pause = Duration::from_millis(500) * 2u32.pow(self.failures.min(6));
            self.session.wait(pause);
        }
        StepEnd::GoOn
    }

    /// One inventory and one round of taking; `true` when the session is settled.
    fn pass(
        &mut self,
        camera: &mut dyn Camera,
        tools: &mut PullTools,
    ) -> Result<bool, IngestError> {
        // A pass that failed leaves items in the committer's hands: they would be taken twice.
        self.intake.wait_committed();
        let fresh = self.take_inventory(camera)?;
        let counts = self.session.counts()?;
        if fresh == 0 && counts.pending.files == 0 {
            return self.settle(camera);
        }
        self.session.control.set_settled(false);
        if let Some(wiper) = &mut self.wiper {
            wiper.expect_more(&self.session);
        }
        self.display.show_pulling(counts);
        let postponed =
            self.intake
                .take_pending(camera, tools, &mut self.history, &self.display)?;
        if self.session.ends() && self.history.only_given_up() {
            return self.settle(camera);
        }
        if postponed > 0 {
            // Something may still be growing: give it time before the next look.
            let (least, most) = (Duration::from_millis(50), Duration::from_millis(500));
            let settle = self.session.shared.settle;
            self.session.wait((settle / 4).clamp(least, most));
        }
        Ok(false)
    }

    /// Lists the camera into the journal and the log; returns how many files are new or changed.
    fn take_inventory(&mut self, camera: &mut dyn Camera) -> Result<u64, IngestError> {
        let session = &*self.session;
        let refusals = &mut self.history.refusals;
        let fresh = inventory::take(
            &session.shared,
            session.row.id,
            camera,
            refusals,
            self.file_times.as_ref(),
            &|| session.is_over(),
        );
        // Also of an inventory that failed later on: they are in the log.
        self.display.state().refused(refusals.len() as u64);
        let fresh = fresh?;
        self.file_times = None;
        Ok(fresh)
    }

    /// Nothing is left to take: `true` when the bay may say so.
    fn settle(&mut self, camera: &mut dyn Camera) -> Result<bool, IngestError> {
        let session = &*self.session;
        self.intake.wait_committed();
        session.drop_stale_pulls()?;
        let unstored = session.shared.journal.unstored_of(session.row.id)?;
        let disposed = session.shared.journal.disposed_of(session.row.id)?;
        let counts = session.counts()?;
        let uncommitted = self.intake.uncommitted();
        let silent = self.silence(&counts, camera)?;
        // Everything that makes it safe was acknowledged before.
        let covering = session.shared.covering_size();
        let settled = {
            let mut state = self.display.state();
            state.covered_by(covering, &counts);
            state.witnessed(session.shared.witnessed_size());
            state.silent(silent);
            state.disposed(disposed);
            state.settled(counts, uncommitted, unstored)
        };
        if let Err(not) = settled {
            tracing::debug!(error = %not, "not settled yet");
            return Ok(false);
        }
        reached!("session: settled");
        if let Some(wiper) = &mut self.wiper {
            wiper.wipe_if_due(session, &self.display, camera)?;
        }
        self.display.show(None);
        session.control.set_settled(true);
        reached!("session: shown");
        self.display.report_settled(&counts);
        Ok(true)
    }

    /// The reason why a camera that has shown nothing in this session may not be empty.
    fn silence(
        &self,
        counts: &InventoryCounts,
        camera: &dyn Camera,
    ) -> Result<Option<Silence>, IngestError> {
        let standing = self.session.import.is_some() && !self.session.ends();
        if counts.files() > 0 || !self.history.refusals.is_empty() || standing {
            return Ok(None);
        }
        let left = match self.session.known_camera() {
            Some(id) => self.session.shared.journal.left_on_camera(id)?,
            None => 0,
        };
        Ok(match left {
            0 if camera.proves_empty() => None,
            0 => Some(Silence::EmptyFolder),
            left => Some(Silence::HeldBefore(left)),
        })
    }

    /// Waits for the camera to leave, for a hint, or for the next slow look.
    fn idle(&mut self) {
        let rescan = match &self.session.import {
            Some(_) => Import::rescan(self.session.shared.settle),
            None => RESCAN,
        };
        let until = Instant::now() + rescan;
        while !self.session.is_over() && Instant::now() < until {
            if self.session.wait(Duration::from_secs(1)) || self.look_again() {
                return;
            }
        }
    }

    /// `true`: there is something to take or to wipe.
    fn look_again(&mut self) -> bool {
        match self.store.look(&self.session, &self.display) {
            StoreWait::Pending => true,
            StoreWait::Unfinished => false,
            StoreWait::AllStored => self.wiper.as_ref().is_some_and(Wiper::is_due),
        }
    }

    /// Ends the session: what the committer has in hand is finished first, then the log says what is missing.
    fn end(self) -> Result<JobEnd, IngestError> {
        self.intake.wait_committed();
        let counts = self.session.counts()?;
        let (missing, settled, silent, unwitnessed) = {
            let mut state = self.display.state();
            state.counted(counts);
            let settled = *state.phase() == Phase::Settled;
            let unwitnessed = settled && state.waits_for_witness();
            (state.left_behind(), settled, state.is_silent(), unwitnessed)
        };
        if self.session.has_unlogged()? {
            return Ok(JobEnd {
                complete: false,
                reason: "the log takes nothing".into(),
                missing,
                counts,
                not_taken: self.history.not_taken(),
                unwitnessed,
            });
        }
        let complete = missing == 0 && settled && !silent;
        let mut reason = self.session.reason();
        if silent {
            reason.add("; it showed no files, which may not be true");
        }
        if unwitnessed {
            reason.add("; the witnesses had not cosigned its entries yet");
        }
        self.session
            .end(&self.display, &reason, complete, missing)?;
        report_end(&reason, settled, complete, missing);
        self.leave_bay(&counts, missing);
        Ok(JobEnd {
            complete,
            reason: reason.text().to_owned(),
            missing,
            counts,
            not_taken: self.history.not_taken(),
            unwitnessed,
        })
    }

    fn leave_bay(&self, counts: &InventoryCounts, missing: u64) {
        let settled = *self.display.state().phase() == Phase::Settled;
        let gone = settled && counts.failed.files == 0 || self.session.ends();
        if gone || self.session.shared.stopping() {
            self.display.clear();
        } else {
            self.display.show_removed_early(counts, missing);
        }
    }
}

fn report_end(reason: &EndReason, settled: bool, complete: bool, missing: u64) {
    let reason = match reason {
        EndReason::Left(reason) => reason,
        EndReason::Unwatched(reason) => {
            tracing::info!(
                reason,
                complete,
                missing,
                "the session ends while its camera is docked"
            );
            return;
        }
    };
    if complete {
        tracing::info!(reason, "camera left; nothing is missing");
    } else if settled && missing == 0 {
        tracing::warn!(
            reason,
            code = "camera_empty",
            next_step = EMPTY_NEXT_STEP,
            "camera left; it showed no files"
        );
    } else if settled {
        tracing::warn!(
            reason,
            not_taken = missing,
            code = "files_failed",
            next_step =
                "tell the evidence manager: the custody log names each file and why (item.failed)",
            "camera left; all its files are secured, except those that could not be taken"
        );
    } else {
        tracing::warn!(
            reason,
            missing,
            code = "removed_early",
            next_step =
                "dock this camera again, in any bay: the station continues where it stopped",
            "camera left early"
        );
    }
}
