use thiserror::Error;

use crate::camera::ptp::TransportError;
use crate::model::{Explain, RetryClass};

/// Errors of unlocking a camera. Never holds the camera's reply to a password.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum UnlockError {
    #[error("the profile of this locked camera has no unlock steps")]
    NoSteps,
    #[error("there is no password for this locked camera")]
    NoPassword,
    #[error(
        "the password is not one of {length} printable characters, as this kind of camera takes it"
    )]
    Unfit { length: usize },
    #[error("the camera refuses the password")]
    WrongPassword,
    #[error(
        "this password was refused here before; it is not sent again, so that the camera does not lock itself"
    )]
    NotRepeated,
    #[error("the camera refuses to {0}")]
    Refused(&'static str),
    #[error("the camera's reply can't be understood when asked to {0}")]
    Reply(&'static str),
    #[error("talking to the locked camera failed: {0}")]
    Transfer(#[from] TransportError),
}

impl Explain for UnlockError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NoSteps => RetryClass::Never,
            Self::NoPassword | Self::Unfit { .. } | Self::WrongPassword | Self::NotRepeated => {
                RetryClass::Operator
            }
            Self::Transfer(TransportError::Access) => RetryClass::Operator,
            Self::Refused(_) | Self::Reply(_) | Self::Transfer(_) => RetryClass::Later,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::NoSteps => "unlock_no_steps",
            Self::NoPassword => "unlock_no_password",
            Self::Unfit { .. } => "unlock_password_unfit",
            Self::WrongPassword => "unlock_wrong_password",
            Self::NotRepeated => "unlock_not_repeated",
            Self::Refused(_) => "unlock_refused",
            Self::Reply(_) => "unlock_reply",
            Self::Transfer(_) => "unlock_transfer",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::NoSteps => "Give the profile an [unlock] section, or match the camera by its readable form.",
            Self::NoPassword | Self::Unfit { .. } => {
                "Put the cameras' password where the profile's `secret` says: a docked camera is then tried at once. Given as a systemd credential, it needs a restart of the service."
            }
            Self::WrongPassword | Self::NotRepeated => {
                "Check the camera's password with the make's own program and correct the secret of its profile: the docked camera is then tried at once. Another camera can be docked in another bay."
            }
            Self::Transfer(TransportError::Access) => {
                "Let the group `camdock` use the device: install the udev rules that come with CamDock, then dock it again."
            }
            Self::Refused(_) | Self::Reply(_) | Self::Transfer(_) => {
                "Dock the camera again. If it stays so, check the protocol in its profile."
            }
        }
        .into()
    }
}
