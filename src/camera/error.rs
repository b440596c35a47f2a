use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

use super::ptp::PtpError;
use crate::model::{Explain, RetryClass, SourcePath};

#[derive(Debug, Error)]
pub enum CameraError {
    #[error("cannot open the camera's folder {}", root.display())]
    Root {
        root: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the camera at {} is no longer there", root.display())]
    Gone { root: PathBuf },
    #[error(
        "the profile of camera {device} asks for access by {access}, which this version cannot do"
    )]
    Unsupported {
        device: String,
        access: &'static str,
    },
    #[error("the camera's storage {storage} is still being mounted")]
    StillMounting { storage: String },
    #[error("the camera shows no storage")]
    NoStorage,
    #[error("this kind of camera cannot be wiped")]
    CannotWipe,
    #[error("root's helper for wiping does not answer at {}", at.display())]
    WipeHelper {
        at: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is no longer on the camera")]
    NotFound { path: SourcePath },
    #[error("{path} may not be read")]
    Denied {
        path: SourcePath,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a regular file")]
    NotRegular { path: SourcePath },
    #[error("{path} leads through a symbolic link or out of the camera")]
    Escapes { path: SourcePath },
    #[error("{path} became another file while it was opened")]
    Swapped { path: SourcePath },
    #[error("cannot read {path}")]
    Read {
        path: SourcePath,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the camera at {at}")]
    Device {
        at: String,
        #[source]
        source: PtpError,
    },
    #[error("cannot read {path}")]
    Usb {
        path: SourcePath,
        #[source]
        source: PtpError,
        spoils: bool,
    },
}

impl CameraError {
    /// `spoils`: see [`CameraError::spoils`].
    pub fn usb(path: &SourcePath, source: PtpError, spoils: bool) -> Self {
        Self::Usb {
            path: path.clone(),
            source,
            spoils,
        }
    }

    /// The bytes read so far must be thrown away: the camera never confirmed them.
    pub const fn spoils(&self) -> bool {
        matches!(self, Self::Usb { spoils: true, .. })
    }

    /// Classifies an error of opening or reading a file.
    pub fn reading(path: &SourcePath, source: io::Error) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(known) => return known,
            Err(source) => source,
        };
        let path = path.clone();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound { path },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { path, source },
            Some(Errno::LOOP | Errno::XDEV | Errno::NOTDIR) => Self::Escapes { path },
            Some(Errno::ISDIR | Errno::NXIO) => Self::NotRegular { path },
            _ => Self::Read { path, source },
        }
    }
}

impl Explain for CameraError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NotFound { .. }
            | Self::NotRegular { .. }
            | Self::Escapes { .. }
            | Self::Usb {
                source: PtpError::SizeUnknown | PtpError::SizeWrong { .. },
                ..
            } => RetryClass::Never,
            Self::StillMounting { .. }
            | Self::NoStorage
            | Self::Root { .. }
            | Self::Gone { .. }
            | Self::Swapped { .. }
            | Self::Read { .. }
            // Only this read failed: the next one may use another operation.
            | Self::Usb { .. } => RetryClass::Later,
            Self::Denied { .. }
            | Self::Unsupported { .. }
            | Self::CannotWipe
            | Self::WipeHelper { .. } => RetryClass::Operator,
            Self::Device { source, .. } => source.retry_class(),
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Root { .. } => "camera_unreadable",
            Self::Gone { .. } => "camera_gone",
            Self::Unsupported { .. } => "camera_unsupported",
            Self::StillMounting { .. } => "storage_not_mounted",
            Self::NoStorage => "no_storage",
            Self::CannotWipe => "wipe_impossible",
            Self::WipeHelper { .. } => "wipe_helper",
            Self::NotFound { .. } => "file_gone",
            Self::Denied { .. } => "file_denied",
            Self::NotRegular { .. } => "not_regular",
            Self::Escapes { .. } => "path_escapes",
            Self::Swapped { .. } => "file_swapped",
            Self::Read { .. } => "file_unreadable",
            Self::Device { source, .. } | Self::Usb { source, .. } => source.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Root { root, .. } => format!(
                "Check that {} is a folder that the user `camdock` may read, then dock the camera again.",
                root.display()
            ),
            Self::Gone { .. } => {
                "Dock the camera again; the work continues where it stopped.".into()
            }
            Self::StillMounting { .. } => {
                "Leave the camera docked; if it stays so, see `journalctl -u 'camdock-mount@*'`.".into()
            }
            Self::Unsupported { .. } => {
                "Give its model a profile with another `access` in profiles/, or update CamDock.".into()
            }
            Self::NoStorage => PtpError::NoStorage.next_step(),
            Self::CannotWipe => "Remove `wipe` from the camera's profile.".into(),
            Self::WipeHelper { .. } => {
                "Run `systemctl enable --now camdock-wipe.socket`, and see `journalctl -u 'camdock-wipe@*'`.".into()
            }
            Self::NotFound { .. } => {
                "Dock the camera again. If the file does not come back, ask the officer what happened to it, and tell the evidence manager."
                    .into()
            }
            Self::Denied { .. } => {
                "Let the user `camdock` read the camera's files (mount options or rights), then dock it again."
                    .into()
            }
            Self::NotRegular { .. } | Self::Escapes { .. } => {
                "Keep the camera and call the evidence manager: cameras do not make such entries by themselves.".into()
            }
            Self::Device { source, .. } | Self::Usb { source, .. } => source.next_step(),
            Self::Swapped { .. } => "Leave the camera docked; the file is taken again.".into(),
            Self::Read { .. } => {
                "Leave the camera docked: it is tried again. If it stays so, the camera's memory may be failing; keep the camera as evidence."
                    .into()
            }
        }
    }
}
