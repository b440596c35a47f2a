use std::path::PathBuf;

use thiserror::Error;

use super::address_book::NotGranted;
use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::model::{EvidenceId, Explain, RetryClass};
use crate::seal::SealError;
use crate::upload::UploadError;

/// What keeps the key desk from its work, and why it seals a key to nobody.
#[derive(Debug, Error)]
pub enum KeyDeskError {
    #[error("the log key of the office in keydesk.toml cannot be used")]
    OfficeKey(#[source] AuditError),
    #[error("the bucket holds no log of the office")]
    NoLog,
    #[error("the office's log is not the one that was read before: it was put back or rewritten")]
    OtherLog,
    #[error("the entries of the office's log in the bucket do not lead to its signed root")]
    Unfit,
    #[error("{path} cannot be used: {what}")]
    Record { path: PathBuf, what: String },
    #[error("entry {index} of the office's log, about the item {evidence}, grants nothing: {why}")]
    Refused {
        index: u64,
        evidence: EvidenceId,
        why: NotGranted,
    },
    #[error("the store has no item key of {evidence}")]
    NoItemKey { evidence: EvidenceId },
    #[error("what the store has as the item key of {evidence} is none")]
    ItemKey {
        evidence: EvidenceId,
        #[source]
        source: SealError,
    },
    #[error("the item key of {evidence} in the store is that of an item of another station")]
    OtherStation { evidence: EvidenceId },
    #[error(transparent)]
    Log(#[from] AuditError),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Store(#[from] UploadError),
}

impl Explain for KeyDeskError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NoLog | Self::Unfit => RetryClass::Later,
            Self::Refused { .. } => RetryClass::Never,
            Self::Log(inner) => inner.retry_class(),
            Self::Durable(inner) => inner.retry_class(),
            Self::Store(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::OfficeKey(_) => "keydesk_office_key",
            Self::NoLog => "keydesk_no_log",
            Self::OtherLog | Self::Unfit => "keydesk_log",
            Self::Record { .. } => "keydesk_record",
            Self::Refused { .. } => "keydesk_refused",
            Self::NoItemKey { .. } | Self::ItemKey { .. } | Self::OtherStation { .. } => {
                "keydesk_item_key"
            }
            Self::Log(inner) => inner.label(),
            Self::Durable(inner) => inner.label(),
            Self::Store(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Log(inner) => inner.next_step(),
            Self::Durable(inner) => inner.next_step(),
            Self::Store(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
