use thiserror::Error;

use super::reader::Malformed;
use super::transport::TransportError;
use super::wire::rc;
use crate::model::{Explain, RetryClass};

/// Errors of talking to a camera over USB.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum PtpError {
    #[error("the camera is no longer there")]
    Gone,
    #[error("reading the camera was stopped")]
    Stopped,
    #[error("the camera did not answer within {seconds} s")]
    Silent { seconds: u64 },
    #[error(transparent)]
    Transfer(TransportError),
    #[error("the camera broke the protocol: {0}")]
    Protocol(&'static str),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the camera sends more than {limit} bytes for {what}")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("the camera answers operation {operation:04X} with {} ({code:04X})", reason(*code))]
    Refused { operation: u16, code: u16 },
    #[error("the camera ends the file after {got} of {size} bytes")]
    Short { got: u64, size: u64 },
    #[error("the camera can't do operation {0:04X}")]
    Unsupported(u16),
    #[error("the camera is locked or has no storage: it shows no files in any way that was tried")]
    NoStorage,
    #[error("the camera does not give the file's size")]
    SizeUnknown,
    #[error("the camera holds more of the file than the {size} bytes that it gives as its size")]
    SizeWrong { size: u64 },
}

impl PtpError {
    /// Clearing halts, a cancel or a reset may help.
    pub(super) const fn of_the_link(self) -> bool {
        matches!(
            self,
            Self::Silent { .. } | Self::Transfer(_) | Self::Protocol(_) | Self::TooLarge { .. }
        )
    }

    /// The camera can't do this at all.
    pub(super) const fn unsupported(self) -> bool {
        matches!(
            self,
            Self::Unsupported(_)
                | Self::Refused {
                    code: rc::NOT_SUPPORTED | rc::PARAMETER_NOT_SUPPORTED,
                    ..
                }
        )
    }
}

impl From<TransportError> for PtpError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Gone => Self::Gone,
            other => Self::Transfer(other),
        }
    }
}

pub(super) fn reason(code: u16) -> &'static str {
    match code {
        rc::GENERAL => "a general error",
        rc::SESSION_NOT_OPEN => "no session is open",
        rc::BAD_TRANSACTION => "a wrong transaction id",
        rc::NOT_SUPPORTED => "not supported",
        rc::PARAMETER_NOT_SUPPORTED => "a parameter is not supported",
        rc::INCOMPLETE => "an incomplete transfer",
        rc::BAD_STORAGE => "no such storage",
        rc::BAD_HANDLE => "no such object",
        rc::WRITE_PROTECTED => "the object is write-protected",
        rc::STORE_READ_ONLY => "the storage is read-only",
        rc::ACCESS_DENIED => "access denied",
        rc::PARTIAL_DELETION => "a partial deletion",
        rc::STORE_NOT_AVAILABLE => "the storage is not available",
        rc::BUSY => "it is busy",
        rc::BAD_PARENT => "no such folder",
        rc::ALREADY_OPEN => "a session is open already",
        rc::CANCELLED => "the transaction was cancelled",
        _ => "an error",
    }
}

impl Explain for PtpError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Transfer(TransportError::Access)
            | Self::Refused {
                code: rc::ACCESS_DENIED,
                ..
            } => RetryClass::Operator,
            Self::Unsupported(_) | Self::SizeUnknown | Self::SizeWrong { .. } => RetryClass::Never,
            _ => RetryClass::Later,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Gone => "camera_gone",
            Self::Stopped => "camera_stopped",
            Self::Silent { .. } => "camera_silent",
            Self::Transfer(TransportError::Access) => "usb_denied",
            Self::Transfer(TransportError::Busy) => "usb_busy",
            Self::Transfer(_) => "usb_transfer",
            Self::Protocol(_) | Self::Malformed(_) => "camera_protocol",
            Self::TooLarge { .. } => "camera_reply_too_large",
            Self::Refused { .. } => "camera_refused_operation",
            Self::Short { .. } => "file_short",
            Self::Unsupported(_) => "camera_unsupported",
            Self::NoStorage => "no_storage",
            Self::SizeUnknown | Self::SizeWrong { .. } => "size_unknown",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Gone | Self::Stopped => {
                "Dock the camera again; the work continues where it stopped."
            }
            Self::Transfer(TransportError::Access) => {
                "Let the group `camdock` use the device: install the udev rules that come with CamDock, then dock it again."
            }
            Self::Transfer(TransportError::Busy) => {
                "Stop what else reads cameras on this machine (gvfs, a photo importer), then dock it again."
            }
            Self::Refused {
                code: rc::ACCESS_DENIED | rc::STORE_NOT_AVAILABLE,
                ..
            } => "Unlock the camera or let it finish starting, then dock it again.",
            Self::Short { .. } => {
                "Leave the camera docked: it is tried again. If it stays so, keep the camera as evidence and copy this file by hand."
            }
            Self::Unsupported(_) => "Read this camera as mass storage, if it offers that.",
            Self::NoStorage => {
                "Unlock the camera, or switch it on and check its card, then dock it again. If nothing is on it, hand it over to the evidence manager."
            }
            Self::SizeUnknown | Self::SizeWrong { .. } => {
                "Keep the camera as evidence and copy this file by hand, or read this camera as mass storage, if it offers that."
            }
            _ => {
                "Leave the camera docked: it is tried again. If it stays so, switch the camera off and on and dock it in another bay."
            }
        }
        .into()
    }
}
