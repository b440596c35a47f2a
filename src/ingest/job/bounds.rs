//! The beginning and the end of a dock session, in the journal and the log.

use std::time::Duration;

use super::Run;
use crate::durable;
use crate::failpoint::reached;
use crate::ingest::control::{JobEnd, pause};
use crate::ingest::events::{session_docked, session_undocked};
use crate::ingest::state::{Phase, removed_early};
use crate::ingest::{IngestError, now};
use crate::metrics;
use crate::model::Condition;

/// Between attempts to note them.
const INSIST: Duration = Duration::from_millis(500);

impl Run {
    /// Waits for a disk that cannot take the session's beginning yet.
    pub(super) fn begin(&mut self, condition: &Condition) -> Result<(), IngestError> {
        self.file_times.clone_from(&condition.file_times);
        let mut noted = false;
        self.insist(|run| {
            let session = &run.session;
            if !noted {
                run.shared.journal.begin_session(session)?;
                noted = true;
            }
            let docked = session_docked(session, condition.clone());
            run.shared.log_event(Some(session.id), docked).map(drop)
        })?;
        let session = &self.session;
        reached!("session: docked");
        tracing::info!(
            officer = session.officer.as_ref().map(|o| o.0.as_str()),
            quarantine = session.quarantine,
            "camera docked"
        );
        Ok(())
    }

    /// Tries again, and says why, until it is done or the service stops.
    pub(super) fn insist(
        &self,
        mut step: impl FnMut(&Self) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let mut failures = 0u32;
        loop {
            match step(self) {
                Err(error) if !self.shared.stopping() => {
                    failures += 1;
                    self.say(&error, failures);
                    pause(INSIST);
                }
                done => return done,
            }
        }
    }

    /// Throws away interrupted pulls of files that are no longer on the camera as they were: nothing goes on with them.
    pub(super) fn forget_stale(&self) -> Result<(), IngestError> {
        let (Some(camera), false) = (&self.session.camera, self.anonymous) else {
            return Ok(());
        };
        let (journal, spool) = (&self.shared.journal, &self.shared.spool);
        for (id, path) in journal.stale_pulls(camera, self.session.id)? {
            tracing::info!(evidence = %id, %path, "an interrupted pull is thrown away: the file was changed or removed");
            journal.drop_pulling(id)?;
            durable::remove(&spool.partial(id))?;
        }
        Ok(())
    }

    /// Ends the session: what the committer has in hand is finished first, then the log says what is missing.
    pub(super) fn end(self) -> Result<JobEnd, IngestError> {
        self.tally.settle();
        let counts = self.shared.journal.inventory_counts(self.session.id)?;
        let (missing_count, settled) = {
            let mut state = self.lock();
            state.counted(counts);
            (state.left_behind(), matches!(state.phase(), Phase::Settled))
        };
        if self.shared.journal.has_unlogged(self.session.id)? {
            // The committer gave up on a log that takes nothing; the next start enters them, and then the session's end.
            tracing::warn!(
                code = "log_stopped",
                next_step =
                    "check the disk and the rights of the state folder, then restart the service",
                "sealed files are not in the log yet; the next start enters them and ends this session"
            );
            return Ok(JobEnd {
                complete: false,
                missing: missing_count,
            });
        }
        let complete = missing_count == 0 && settled;
        let reason = self
            .control
            .left()
            .unwrap_or_else(|| "the station stops".into());
        let missing = self.shared.journal.missing(self.session.id, 100)?;
        let undocked = session_undocked(
            &self.session,
            complete,
            reason.clone(),
            missing,
            missing_count,
        );
        let mut logged = false;
        self.insist(|run| {
            if !logged {
                let undocked = undocked.clone();
                run.shared.log_event(Some(run.session.id), undocked)?;
                logged = true;
            }
            reached!("session: undocked");
            let journal = &run.shared.journal;
            Ok(journal.end_session(run.session.id, now(), complete)?)
        })?;
        metrics::session(if complete { "complete" } else { "interrupted" });
        if complete {
            tracing::info!(reason, "camera left; nothing is missing");
        } else if settled {
            tracing::warn!(
                reason,
                not_taken = missing_count,
                code = "files_failed",
                next_step = "tell the evidence manager: the custody log names each file and why (item.failed)",
                "camera left; all its files are secured but those that could not be taken"
            );
        } else {
            tracing::warn!(
                reason,
                missing = missing_count,
                code = "removed_early",
                next_step = "dock this camera again, in any bay: it goes on where it stopped",
                "camera left early"
            );
        }
        let all_tried = matches!(self.lock().phase(), Phase::Settled) && counts.failed.0 == 0;
        if all_tried || self.shared.stopping() {
            let bays = &self.shared.bays;
            bays.clear_after(&self.session.bay, self.session.id);
        } else {
            // Stays until another camera comes to this bay, or this one to any.
            self.show_status(None, removed_early(&counts, missing_count));
        }
        Ok(JobEnd {
            complete,
            missing: missing_count,
        })
    }
}
