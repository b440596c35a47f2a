use std::path::PathBuf;

use thiserror::Error;

use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::model::{EvidenceId, Explain, Obstacle, RetryClass};
use crate::upload::UploadError;

/// What keeps the disposer from its work, and why it deletes nothing of an item.
#[derive(Debug, Error)]
pub enum DisposerError {
    #[error("the key of the office's log or of its witness in disposer.toml cannot be used")]
    Key(#[source] AuditError),
    #[error("the bucket holds no log of the office")]
    NoLog,
    #[error("the office's log is not the one that was read before: it was put back or rewritten")]
    OtherLog,
    #[error("the entries of the office's log in the bucket do not lead to its signed root")]
    Unfit,
    #[error("{path} cannot be used: {what}")]
    Record { path: PathBuf, what: String },
    #[error("the item {evidence} is not deleted: {why}")]
    Refused { evidence: EvidenceId, why: Obstacle },
    #[error("{key} is still in the store after it was deleted")]
    StillThere { key: String },
    #[error("{key} is not what the disposer has put there")]
    PlanUnfit { key: String },
    #[error(transparent)]
    Log(#[from] AuditError),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Store(#[from] UploadError),
}

impl Explain for DisposerError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NoLog | Self::Unfit => RetryClass::Later,
            Self::Refused { why, .. } => why.retry_class(),
            Self::Log(inner) => inner.retry_class(),
            Self::Durable(inner) => inner.retry_class(),
            Self::Store(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Key(_) => "disposer_key",
            Self::NoLog => "disposer_no_log",
            Self::OtherLog | Self::Unfit => "disposer_log",
            Self::Record { .. } => "disposer_record",
            Self::Refused { why, .. } => why.label(),
            Self::StillThere { .. } => "disposal_still_there",
            Self::PlanUnfit { .. } => "disposer_plan",
            Self::Log(inner) => inner.label(),
            Self::Durable(inner) => inner.label(),
            Self::Store(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Refused { why, .. } => why.next_step(),
            Self::Log(inner) => inner.next_step(),
            Self::Durable(inner) => inner.next_step(),
            Self::Store(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
