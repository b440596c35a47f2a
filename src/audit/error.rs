use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::durable::DurableError;
use crate::model::{Explain, RetryClass};

/// Errors of the custody log.
#[derive(Debug, Error)]
pub enum AuditError {
    #[error("a log entry has {size} bytes, more than the 65,535 that the format allows")]
    TooLarge { size: usize },
    #[error("cannot write a log entry as canonical JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the key of the custody log cannot be used: {0}")]
    Key(&'static str),
    #[error("the custody log's signed checkpoint is malformed: {0}")]
    Note(&'static str),
    #[error(
        "the custody log's checkpoint carries no signature by {expected}; it is signed by {found}"
    )]
    ForeignKey { expected: String, found: String },
    #[error("the signature by {name} of the custody log's checkpoint is wrong")]
    BadSignature { name: String },
    #[error("line {line} of the witness policy {what}")]
    Policy {
        line: usize,
        what: String,
        fix: &'static str,
    },
    #[error("cannot write the custody log")]
    Durable(#[from] DurableError),
    #[error("cannot read {key} of the custody log")]
    Read {
        key: String,
        #[source]
        source: io::Error,
    },
    #[error("{key} of the custody log is missing")]
    Missing { key: String },
    #[error("the custody log on disk contradicts itself: {what}")]
    Corrupt { what: String },
    #[error("entry {index} is not in the custody log, which has {size} entries")]
    OutOfRange { index: u64, size: u64 },
    #[error("the receipt does not prove its entry of the custody log: {0}")]
    Proof(&'static str),
    #[error("the custody log takes no more entries after a failed write")]
    Poisoned,
    #[error("the custody log is closed")]
    Closed,
    #[error("cannot start the custody log's thread")]
    Thread(#[source] io::Error),
    /// A batch failed; every caller with an entry in it gets this error.
    #[error("this could not be entered in the custody log")]
    Append(#[source] Arc<AuditError>),
}

impl Explain for AuditError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::TooLarge { .. } | Self::Encode(_) | Self::OutOfRange { .. } | Self::Proof(_) => {
                RetryClass::Never
            }
            Self::Durable(inner) => inner.retry_class(),
            Self::Append(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Encode(_) => "log_entry",
            Self::Key(_) | Self::ForeignKey { .. } => "log_key",
            Self::Note(_) | Self::BadSignature { .. } => "log_signature",
            Self::Policy { .. } => "witness_policy",
            Self::Durable(inner) => inner.label(),
            Self::Append(inner) => inner.label(),
            Self::Read { .. } | Self::Missing { .. } => "log_unreadable",
            Self::Corrupt { .. } => "log_corrupt",
            Self::OutOfRange { .. } => "log_range",
            Self::Proof(_) => "log_proof",
            Self::Poisoned | Self::Closed | Self::Thread(_) => "log_stopped",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::TooLarge { .. } | Self::Encode(_) => {
                "Report this with the log lines around it: it is a fault of CamDock. No footage is lost.".into()
            }
            Self::Key(_) => {
                "Put the station's own station.key back from its backup and run `camdock check`. If there is none, give the station a new name and new keys."
                    .into()
            }
            Self::ForeignKey { .. } => {
                "Check that the log key is that of this station. If it is, the log was replaced: keep it as it is and call the evidence manager.".into()
            }
            Self::Note(_) | Self::BadSignature { .. } | Self::Corrupt { .. } | Self::Missing { .. } => {
                "Run `camdock verify` and `camdock verify --bucket`, and call the evidence manager. If the bucket's copy is whole, stop the service and move the log folder aside, deleting nothing: the next start fetches it from the bucket."
                    .into()
            }
            Self::Policy { fix, .. } => (*fix).into(),
            Self::Durable(inner) => inner.next_step(),
            Self::Append(inner) => inner.next_step(),
            Self::Read { .. } => "Check the disk and the rights of the log folder, then try again.".into(),
            Self::OutOfRange { .. } => "Run `camdock verify`: the log may have been cut. Keep its files as they are.".into(),
            Self::Proof(_) => {
                "Fetch the receipt again; if it still does not hold, treat the item as unproven and run `camdock verify`.".into()
            }
            Self::Poisoned | Self::Closed | Self::Thread(_) => {
                "Check the disk, then restart the service: it continues after the last durable entry.".into()
            }
        }
    }
}
