use std::time::Duration;

use thiserror::Error;

use crate::config::ConfigError;
use crate::model::{EvidenceId, Explain, RetryClass, ShareId};
use crate::upload::UploadError;
use crate::web::{OutboundError, WatchRefusal, share_away, share_closed, share_object};

/// What keeps the share reader from handing something out. Strangers are told a code, and nothing of this.
#[derive(Debug, Error)]
pub enum ShareReaderError {
    #[error("the manifest of the share {share} is not one that an office makes: {what}")]
    Manifest { share: ShareId, what: &'static str },
    #[error("the office does not let the share {share} be opened or taken from with that key")]
    Closed { share: ShareId },
    #[error("the office cannot be asked")]
    Office(#[from] OutboundError),
    #[error("the office does not answer within {limit:?}")]
    OfficeSilent { limit: Duration },
    #[error("the office answers with status {status}")]
    OfficeAnswer { status: u16 },
    #[error(
        "{key}, an object of the shared item {evidence}, is not in the store as the share names it"
    )]
    Object { evidence: EvidenceId, key: String },
    #[error(transparent)]
    Secret(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] UploadError),
}

impl Explain for ShareReaderError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Office(OutboundError::Unreachable(_)) | Self::OfficeSilent { .. } => {
                RetryClass::Later
            }
            Self::Closed { .. } => RetryClass::Never,
            Self::Secret(inner) => inner.retry_class(),
            Self::Store(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => "share_manifest",
            Self::Closed { .. } => "share_closed",
            Self::Office(_) | Self::OfficeSilent { .. } | Self::OfficeAnswer { .. } => {
                "share_office"
            }
            Self::Object { .. } => "share_object",
            Self::Secret(inner) => inner.label(),
            Self::Store(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Secret(inner) => inner.next_step(),
            Self::Store(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}

impl From<ShareReaderError> for WatchRefusal {
    fn from(error: ShareReaderError) -> Self {
        super::warn(&error, "nothing of a share is handed out");
        match error {
            ShareReaderError::Manifest { .. } | ShareReaderError::Closed { .. } => share_closed(),
            ShareReaderError::Object { .. } => share_object(),
            _ => share_away(),
        }
    }
}
