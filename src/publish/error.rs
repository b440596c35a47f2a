use thiserror::Error;

use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::journal::JournalError;
use crate::model::{Explain, RetryClass};
use crate::upload::UploadError;

/// What keeps a log and its copy in the bucket from being one.
#[derive(Debug, Error)]
pub enum PublishError {
    #[error(transparent)]
    Disk(#[from] DurableError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(
        "the custody log here is behind the one in the bucket: {local} entries here, {bucket} there"
    )]
    LogBehind { local: u64, bucket: u64 },
    #[error(
        "the custody log here and the one in the bucket contradict each other at {size} entries"
    )]
    LogFork { size: u64 },
    #[error(
        "the bucket's copy of the custody log ends at {bucket} entries, but receipts or earlier copies name a log of {witnessed}"
    )]
    LogLost { bucket: u64, witnessed: u64 },
    #[error("the bucket's copy of the custody log does not verify: {0}")]
    LogCopyWrong(String),
    #[error("the bucket holds a checkpoint that the key here did not sign")]
    LogForeign(#[source] AuditError),
}

impl PublishError {
    /// The two copies of the log contradict each other: its writer must not go on.
    pub const fn is_contradiction(&self) -> bool {
        matches!(
            self,
            Self::LogBehind { .. } | Self::LogFork { .. } | Self::LogForeign(_)
        )
    }
}

impl Explain for PublishError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Disk(e) => e.retry_class(),
            Self::Journal(e) => e.retry_class(),
            Self::Audit(e) => e.retry_class(),
            Self::Upload(e) => e.retry_class(),
            Self::LogBehind { .. }
            | Self::LogFork { .. }
            | Self::LogLost { .. }
            | Self::LogCopyWrong(_)
            | Self::LogForeign(_) => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Disk(e) => e.label(),
            Self::Journal(e) => e.label(),
            Self::Audit(e) => e.label(),
            Self::Upload(e) => e.label(),
            Self::LogBehind { .. } => "log_behind_bucket",
            Self::LogFork { .. } => "log_fork",
            Self::LogForeign(_) => "log_foreign",
            Self::LogLost { .. } => "log_lost",
            Self::LogCopyWrong(_) => "log_copy_wrong",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Disk(e) => e.next_step(),
            Self::Journal(e) => e.next_step(),
            Self::Audit(e) => e.next_step(),
            Self::Upload(e) => e.next_step(),
            Self::LogBehind { .. } => {
                "This machine was restored from an old copy, or its log was cut. Move the log folder aside, deleting nothing: an \
                 office, and a station that still has its journal, fetches the newer log from the bucket at the next start and \
                 verifies it. If that does not help, call the evidence manager, and give it a new name and new keys."
                    .into()
            }
            Self::LogLost { .. } => {
                "Restore the log folder from a backup of this very disk. If there is none, keep the bucket as it is and give the \
                 station or office a new name and new keys: going on from the older copy would contradict checkpoints that exist."
                    .into()
            }
            Self::LogFork { .. } | Self::LogForeign(_) | Self::LogCopyWrong(_) => {
                "Do not go on: another machine signs under this name, this one has new keys, or a log was rewritten. Keep both copies, run \
                 `camdock verify` and `camdock verify --bucket` (on an office `camdock office acts`), and call the evidence manager."
                    .into()
            }
        }
    }
}
