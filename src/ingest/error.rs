//! The room's errors. Most of them come from the rooms below and keep their retry class, label and next step.

use std::error::Error as _;

use thiserror::Error;

use crate::audit::AuditError;
use crate::camera::CameraError;
use crate::durable::DurableError;
use crate::journal::JournalError;
use crate::model::{Explain, Problem, RetryClass};
use crate::preview::PreviewError;
use crate::seal::SealError;
use crate::upload::UploadError;

#[derive(Debug, Error)]
pub enum IngestError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Disk(#[from] DurableError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Preview(#[from] PreviewError),
    #[error("the file changed while it was read: {0}")]
    Changed(String),
    #[error("this station cannot start another thread")]
    Thread(#[source] std::io::Error),
    #[error("the station stopped before this was done")]
    Stopped,
    #[error("the thread that secures files has ended: nothing more can be secured")]
    CommitterGone,
}

impl Explain for IngestError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Camera(e) => e.retry_class(),
            Self::Seal(e) => e.retry_class(),
            Self::Disk(e) => e.retry_class(),
            Self::Journal(e) => e.retry_class(),
            Self::Audit(e) => e.retry_class(),
            Self::Upload(e) => e.retry_class(),
            Self::Preview(e) => e.retry_class(),
            Self::Changed(_) | Self::Stopped | Self::Thread(_) => RetryClass::Later,
            Self::CommitterGone => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Camera(e) => e.label(),
            Self::Seal(e) => e.label(),
            Self::Disk(e) => e.label(),
            Self::Journal(e) => e.label(),
            Self::Audit(e) => e.label(),
            Self::Upload(e) => e.label(),
            Self::Preview(e) => e.label(),
            Self::Changed(_) => "source_changed",
            Self::Thread(_) => "no_thread",
            Self::Stopped => "stopped",
            Self::CommitterGone => "committer_gone",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Camera(e) => e.next_step(),
            Self::Seal(e) => e.next_step(),
            Self::Disk(e) => e.next_step(),
            Self::Journal(e) => e.next_step(),
            Self::Audit(e) => e.next_step(),
            Self::Upload(e) => e.next_step(),
            Self::Preview(e) => e.next_step(),
            Self::Changed(_) => "Leave the camera docked: the file is taken again once nothing is written to it any more.".into(),
            Self::Thread(_) => "Free memory, or raise TasksMax of the service; it is tried again.".into(),
            Self::Stopped => "Nothing to do: the work continues at the next start.".into(),
            Self::CommitterGone => "Restart the service and report the log lines before this one.".into(),
        }
    }
}

impl IngestError {
    /// The station's disk is full, be it the error itself or its cause.
    pub(super) fn disk_full(&self) -> bool {
        let mut full = self.label() == "disk_full";
        let mut cause = self.source();
        while let Some(error) = cause {
            let journal = error.downcast_ref().map(JournalError::label);
            let own = error.downcast_ref().map(Self::label);
            full |= journal.or(own) == Some("disk_full");
            cause = error.source();
        }
        full
    }

    /// The error as the status and the pages show it.
    pub(super) fn problem(&self) -> Problem {
        Problem {
            code: self.label().to_owned(),
            reason: chain(self),
            next_step: self.next_step(),
            since: super::now(),
            needs_person: self.retry_class() != RetryClass::Later,
        }
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
