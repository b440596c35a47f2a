//! What a job tells the bay.

use super::Run;
use crate::ingest::IngestError;
use crate::ingest::outbound::chain;
use crate::ingest::state::SessionState;
use crate::metrics;
use crate::model::{BayStatus, BayView, Explain as _, FileFacts};

impl Run {
    pub(super) fn say(&self, error: &IngestError, failures: u32) {
        metrics::error(error.label());
        tracing::error!(
            code = error.label(),
            failures,
            error = error as &dyn std::error::Error,
            next_step = error.next_step(),
            "the dock session cannot go on; trying again"
        );
        self.lock()
            .waiting(error.label(), chain(error), error.next_step());
        self.show(None);
    }

    pub(super) fn lock(&self) -> parking_lot::MutexGuard<'_, SessionState> {
        self.state.lock()
    }

    pub(super) fn show(&self, file: Option<&FileFacts>) {
        let status = self.lock().status();
        self.show_status(file, status);
    }

    pub(super) fn show_status(&self, file: Option<&FileFacts>, status: BayStatus) {
        self.shared.bays.show(BayView {
            bay: self.session.bay.clone(),
            camera: self.session.camera.clone(),
            officer: self.session.officer.clone(),
            session: Some(self.session.id),
            file: file.map(|f| f.path.to_string()),
            status,
        });
    }
}
