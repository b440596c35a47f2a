//! The bay's display of a dock session, and the log lines that go with it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::dock_session::DockSession;
use crate::ingest::IngestError;
use crate::ingest::chain;
use crate::ingest::state::{CRAWLING, EMPTY_NEXT_STEP, SessionState, removed_early};
use crate::journal::InventoryCounts;
use crate::metrics;
use crate::model::{BayStatus, BayView, Explain as _, FileFacts};

pub(super) struct BayDisplay {
    session: Arc<DockSession>,
    state: Mutex<SessionState>,
    began: Instant,
    /// The log already says that everything is secured.
    secured: bool,
    /// The log already says that the camera shows no files.
    silence_reported: bool,
}

impl BayDisplay {
    pub fn new(session: Arc<DockSession>) -> Self {
        Self {
            state: Mutex::new(SessionState::new(session.row.quarantine.clone())),
            session,
            began: Instant::now(),
            secured: false,
            silence_reported: false,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock()
    }

    /// Shows the session as it stands, and the file that is being read.
    pub fn show(&self, file: Option<&FileFacts>) {
        let status = self.state().status();
        self.show_status(file, status);
    }

    fn show_status(&self, file: Option<&FileFacts>, status: BayStatus) {
        let session = &self.session.row;
        self.session.shared.bays.show(BayView {
            bay: session.bay.clone(),
            camera: session.camera.clone(),
            officer: session.officer.clone(),
            session: Some(session.id),
            file: file.map(|f| f.path.to_string()),
            status,
        });
    }

    /// A failure, the `failures`th in a row, that keeps the session from continuing.
    pub fn show_failure(&self, error: &IngestError, failures: u32) {
        metrics::error(error.label());
        tracing::error!(
            code = error.label(),
            failures,
            error = error as &dyn std::error::Error,
            next_step = error.next_step(),
            "the dock session cannot continue; trying again"
        );
        self.state()
            .waiting(error.label(), chain(error), error.next_step());
        self.show(None);
    }

    /// Something is to be taken.
    pub fn show_pulling(&self, counts: InventoryCounts) {
        self.state().pulling(counts);
        self.show(None);
    }

    /// `bytes_read` of all files so far, `in_file` of them of this one.
    pub fn show_progress(&self, file: &FileFacts, in_file: u64, bytes_read: u64) {
        let elapsed = self.began.elapsed();
        self.state().progress(in_file, bytes_read, elapsed);
        self.show(Some(file));
    }

    /// Shows the speed of a camera that hardly answers, in bytes a second; `None` when it is slow no longer.
    pub fn show_crawling(&self, file: &FileFacts, speed: Option<u64>) {
        let before = self.state().crawling(speed);
        if let (Some(speed), None) = (speed, before) {
            metrics::error("camera_slow");
            tracing::warn!(path = %file.path, code = "camera_slow", bytes_a_second = speed,
                next_step = CRAWLING, "the camera hardly answers");
        }
        self.show(Some(file));
    }

    /// One more file is done with.
    pub fn count_taken(&self, file: &FileFacts, bytes_read: u64) {
        let elapsed = self.began.elapsed();
        self.state().took(file.size, bytes_read, elapsed);
    }

    /// The first time that everything on the camera is secured, or that it shows nothing, the log says so.
    pub fn report_settled(&mut self, counts: &InventoryCounts) {
        if self.state().is_silent() {
            if std::mem::replace(&mut self.silence_reported, true) {
                return;
            }
            metrics::error("camera_empty");
            tracing::warn!(
                code = "camera_empty",
                next_step = EMPTY_NEXT_STEP,
                "the camera shows no files, and that may not be true"
            );
            return;
        }
        if std::mem::replace(&mut self.secured, true) {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        metrics::secured_after(seconds);
        tracing::info!(
            files = counts.files(),
            bytes = counts.bytes(),
            held = counts.held.files,
            failed = counts.failed.files,
            seconds,
            "everything on the camera is secured on this station"
        );
    }

    /// The camera left with all its files settled, or the service stops: the bay is empty.
    pub fn clear(&self) {
        let session = &self.session.row;
        let bays = &self.session.shared.bays;
        bays.clear_after(&session.bay, session.id);
    }

    /// Stays until another camera comes to this bay, or this one to any.
    pub fn show_removed_early(&self, counts: &InventoryCounts, missing: u64) {
        self.show_status(None, removed_early(counts, missing));
    }
}
