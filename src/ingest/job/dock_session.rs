//! One stay of one camera in one bay: its beginning and its end in the journal and the log, and the signal that stops its job.

use std::sync::Arc;
use std::time::Duration;

use super::bay_display::BayDisplay;
use crate::durable;
use crate::failpoint::reached;
use crate::ingest::control::JobControl;
use crate::ingest::events::{EndReason, session_docked};
use crate::ingest::{Import, IngestError, Shared, now};
use crate::journal::{InventoryCounts, SessionEnd, SessionRow, StalePull};
use crate::metrics;
use crate::model::{CameraId, Condition, Event};

/// Between attempts to note the beginning or the end.
const RETRY: Duration = Duration::from_millis(500);

pub(super) struct DockSession {
    pub shared: Arc<Shared>,
    pub row: SessionRow,
    pub control: Arc<JobControl>,
    /// See [`super::Job::anonymous`].
    pub anonymous: bool,
    /// See [`super::Job::at_start`].
    pub at_start: bool,
    /// See [`super::Job::import`].
    pub import: Option<Import>,
}

impl DockSession {
    /// The camera left, or the service stops.
    pub fn is_over(&self) -> bool {
        self.control.left().is_some() || self.shared.stopping()
    }

    /// The camera by which earlier items of it are found; `None` where its identity proves nothing.
    pub fn known_camera(&self) -> Option<&CameraId> {
        self.row.camera.as_ref().filter(|_| !self.anonymous)
    }

    /// Waits for a signal; `true` when something changed on the camera or in the store.
    pub fn wait(&self, longest: Duration) -> bool {
        self.control
            .wait(longest.min(self.shared.scale.longest_wait))
    }

    pub fn log(&self, event: Event) -> Result<(), IngestError> {
        self.shared.log_event(Some(self.row.id), event).map(drop)
    }

    pub fn counts(&self) -> Result<InventoryCounts, IngestError> {
        Ok(self.shared.journal.inventory_counts(self.row.id)?)
    }

    /// Tries again, and shows why, until it is done or the service stops.
    pub fn insist(
        &self,
        display: &BayDisplay,
        mut step: impl FnMut() -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let mut failures = 0u32;
        loop {
            match step() {
                Err(error) if !self.shared.stopping() => {
                    failures += 1;
                    display.show_failure(&error, failures);
                    self.shared.pause(RETRY);
                }
                done => return done,
            }
        }
    }

    /// Waits for a disk that cannot take the session's beginning yet.
    pub fn begin(&self, display: &BayDisplay, condition: &Condition) -> Result<(), IngestError> {
        let mut noted = false;
        self.insist(display, || {
            if !noted {
                let ahead = condition.clock.as_ref().and_then(|c| c.ahead_seconds);
                self.shared.journal.begin_session(&self.row, ahead)?;
                noted = true;
            }
            match &self.import {
                Some(import) => import.declare(&self.shared, &self.row, &import.source_id()),
                None => self.log(session_docked(&self.row, condition.clone(), self.at_start)),
            }
        })?;
        reached!("session: docked");
        tracing::info!(
            officer = self.row.officer.as_ref().map(|o| o.0.as_str()),
            quarantine = self.row.quarantine,
            source = self.row.source,
            "{}",
            if self.import.is_some() {
                "import begun"
            } else {
                "camera docked"
            }
        );
        Ok(())
    }

    /// Throws away interrupted pulls of files that are no longer on the camera as they were: nothing can resume them.
    pub fn drop_stale_pulls(&self) -> Result<(), IngestError> {
        let Some(camera) = self.known_camera() else {
            return Ok(());
        };
        let (journal, spool) = (&self.shared.journal, &self.shared.spool);
        for StalePull { id, path } in journal.stale_pulls(camera, self.row.id)? {
            tracing::info!(evidence = %id, %path, "an interrupted pull is thrown away: the file was changed or removed");
            journal.drop_pulling(id)?;
            durable::remove(&spool.partial(id))?;
        }
        Ok(())
    }

    /// Whether sealed files of the session are not in the log: the committer gave up on a log that takes nothing. The next
    /// start enters them, and then the session's end.
    pub fn has_unlogged(&self) -> Result<bool, IngestError> {
        let unlogged = self.shared.journal.has_unlogged(self.row.id)?;
        if unlogged {
            tracing::warn!(
                code = "log_stopped",
                next_step =
                    "check the disk and the rights of the state folder, then restart the service",
                "sealed files are not in the log yet; the next start enters them and ends this session"
            );
        }
        Ok(unlogged)
    }

    /// Enters the session's end, with what is missing, into the log and then into the journal.
    pub fn end(
        &self,
        display: &BayDisplay,
        reason: &EndReason,
        complete: bool,
        missing_count: u64,
    ) -> Result<(), IngestError> {
        let missing = self.shared.journal.missing(self.row.id, 100)?;
        let ended = reason.event(&self.row, complete, missing, missing_count);
        let mut logged = false;
        self.insist(display, || {
            if !logged {
                self.log(ended.clone())?;
                logged = true;
            }
            reached!("session: undocked");
            let journal = &self.shared.journal;
            Ok(journal.end_session(
                self.row.id,
                SessionEnd {
                    at: now(),
                    complete,
                },
            )?)
        })?;
        metrics::session(if complete { "complete" } else { "interrupted" });
        Ok(())
    }

    /// It is an import that ends once all was looked at.
    pub fn ends(&self) -> bool {
        self.import.as_ref().is_some_and(Import::ends)
    }

    /// The words for what is no longer there.
    pub const fn removed(&self) -> &'static str {
        match self.import {
            Some(_) => "what is imported is no longer there",
            None => "the camera was removed",
        }
    }

    /// The reason for the session's end.
    pub fn reason(&self) -> EndReason {
        let stopped = || EndReason::Unwatched("the station stops".into());
        if self.import.is_some() && !self.is_over() {
            return EndReason::Unwatched("all of it was read".into());
        }
        self.control.left().map_or_else(stopped, EndReason::Left)
    }
}
